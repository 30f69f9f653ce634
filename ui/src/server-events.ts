/** Reads Server-Sent Events (WHATWG HTML, 9.2.6) from a body. */
export interface ServerEvent {
  /** `message` where it has no name. */
  readonly event: string;
  readonly data: string;
}

export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let text = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      text += done ? decoder.decode() : decoder.decode(value, { stream: true });
      // The last piece may be half an event.
      const pieces = text.split(/\r?\n\r?\n/);
      text = pieces.pop()!;
      for (const piece of pieces) {
        const event = readEvent(piece);
        if (event !== undefined) yield event;
      }
      if (done) return;
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

function readEvent(text: string): ServerEvent | undefined {
  let event = 'message';
  const data: string[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name === 'event') event = value!;
    else if (name === 'data') data.push(value!);
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n') };
}
