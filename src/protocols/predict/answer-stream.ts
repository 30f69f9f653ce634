/** Answers that come in parts: Server-Sent Events or newline-delimited JSON, as the client asks. */
import type { Call, Progress } from '../../call.ts';
import type { Endpoint } from '../../endpoint.ts';
import { AsyncQueue } from '../../lib/async-queue.ts';
import { joinReady } from '../../lib/join-ready.ts';
import { sseMessage } from '../../lib/server-sent-events.ts';
import type { HttpRequest, HttpResponse } from '../../protocol.ts';
import { timingHeaders } from '../../timing-headers.ts';
import { plain } from '../json/plain.ts';

export type StreamFormat = 'events' | 'lines';

/** What the client accepts of what can be streamed; undefined: neither. */
export function acceptedStream({ headers }: HttpRequest): StreamFormat | undefined {
  const accept = headers['accept'];
  if (typeof accept !== 'string') return undefined;
  if (accept.includes('text/event-stream')) return 'events';
  return /application\/(?:x-ndjson|jsonl)/.test(accept) ? 'lines' : undefined;
}

/** Whether the client wants JSON and nothing else. */
export function acceptsOnlyJson({ headers }: HttpRequest): boolean {
  const accept = headers['accept'];
  return typeof accept === 'string' && accept.includes('application/json') && !accept.includes('*/*');
}

/**
 * Parts as messages without a name, `progress` as it is told, then `end`; an error after the first part as `error`, with the
 * body that it has elsewhere. As lines: the parts; after an error the connection ends without its last chunk.
 */
export function streamAnswer(endpoint: Endpoint, value: unknown, call: Call, format: StreamFormat, errorBody: (error: unknown) => string): HttpResponse {
  const parts = endpoint.predictStream === undefined ? wholeAnswer(endpoint, value, call) : endpoint.predictStream(value, call);
  const contentType = format === 'events' ? 'text/event-stream; charset=utf-8' : 'application/x-ndjson; charset=utf-8';
  return {
    // Asked for when the first part is there.
    get headers() {
      return { 'content-type': contentType, 'cache-control': 'no-store', 'x-accel-buffering': 'no', ...timingHeaders(call, 'first') };
    },
    body: joinReady(format === 'events' ? asEvents(parts, call, errorBody) : asLines(parts)),
    compress: false,
  };
}

async function* wholeAnswer(endpoint: Endpoint, value: unknown, call: Call): AsyncGenerator<unknown> {
  yield await endpoint.predict(value, call);
}

async function* asLines(parts: AsyncIterable<unknown>): AsyncGenerator<string> {
  for await (const part of parts) yield `${toJson(part)}\n`;
}

function toJson(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value, plain) ?? 'null');
}

async function* asEvents(parts: AsyncIterable<unknown>, call: Call, errorBody: (error: unknown) => string): AsyncGenerator<string> {
  let begun = false;
  // Progress is told while the next part is awaited, so both go through a queue from the first report on.
  const told = new AsyncQueue<string>({ capacity: Infinity });
  const iterator = parts[Symbol.asyncIterator]();
  let progressed = false;
  const takeBack = call.onProgress((progress: Progress) => {
    progressed = true;
    void told.push(sseMessage(JSON.stringify(progress), 'progress'));
    wake?.();
  });
  let wake: (() => void) | undefined;
  let finished = false;
  try {
    for (;;) {
      const pending = iterator.next();
      let next: IteratorResult<unknown> | undefined;
      let failure: { readonly error: unknown } | undefined;
      const settled = pending.then(
        (result) => void (next = result),
        (error: unknown) => void (failure = { error }),
      );
      for (;;) {
        await Promise.race([settled, new Promise<void>((resolve) => (wake = resolve))]);
        while (progressed && told.size > 0) {
          begun = true;
          yield (await told.next()).value as string;
        }
        if (next !== undefined || failure !== undefined) break;
      }
      if (failure !== undefined) {
        finished = true;
        // Before the first message the answer still has a status.
        if (!begun) throw failure.error;
        yield sseMessage(errorBody(failure.error), 'error');
        return;
      }
      if (next!.done === true) break;
      begun = true;
      yield sseMessage(toJson(next!.value));
    }
    finished = true;
    yield sseMessage('{}', 'end');
  } finally {
    takeBack();
    if (!finished) await iterator.return?.();
  }
}
