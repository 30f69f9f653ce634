/** Text of Server-Sent Events, https://html.spec.whatwg.org/multipage/server-sent-events.html. */

/** `data` is JSON on one line. */
export function sseMessage(data: string, event?: string): string {
  return event === undefined ? `data: ${data}\n\n` : `event: ${event}\ndata: ${data}\n\n`;
}
