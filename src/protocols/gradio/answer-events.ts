/** Streams of events as Server-Sent Events, with a sign of life while there is nothing to tell. */
import { joinReady } from '../../lib/join-ready.ts';
import { sseMessage } from '../../lib/server-sent-events.ts';
import type { HttpResponse } from '../../protocol.ts';
import type { EventMessage } from './event-store.ts';

/** Shorter than what proxies wait for, and than the 20 seconds that the Python client does. */
export const heartbeatMs = 15_000;

/** All events of a session. */
export function answerQueue(messages: AsyncIterable<EventMessage>): HttpResponse {
  return answer(texts(messages, ({ data }) => sseMessage(data), sseMessage('{"msg":"heartbeat","event_id":null}')));
}

const plainNames: Readonly<Partial<Record<EventMessage['kind'], string>>> = { generating: 'generating', completed: 'complete', failed: 'error' };

/** One event, in the form that needs no client. */
export function answerCall(messages: AsyncIterable<EventMessage>): HttpResponse {
  return answer(texts(messages, ({ kind, data }) => sseMessage(data, plainNames[kind] ?? kind), sseMessage('null', 'heartbeat')));
}

/** A stream that only says that this server lives, until the client leaves. */
export function answerAlive(left: AbortSignal): HttpResponse {
  const silence: AsyncIterable<EventMessage> = {
    async *[Symbol.asyncIterator](): AsyncGenerator<EventMessage> {
      yield { kind: 'starts', data: 'ALIVE' };
      await new Promise<void>((resolve) => (left.aborted ? resolve() : left.addEventListener('abort', () => resolve(), { once: true })));
    },
  };
  return answer(texts(silence, ({ data }) => `data: ${data}\n\n`, 'data: ALIVE\n\n'));
}

/** There is nothing to read: why, and that the stream ends. */
export function answerNothing(reason: string | undefined): HttpResponse {
  const error = reason === undefined ? '' : sseMessage(JSON.stringify({ msg: 'unexpected_error', event_id: null, message: reason, session_not_found: true, success: false }));
  return { headers, body: `${error}${sseMessage('{"msg":"close_stream","event_id":null}')}`, compress: false };
}

const headers = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' };

function answer(body: AsyncIterable<string>): HttpResponse {
  return { headers, body: joinReady(body), compress: false };
}

async function* texts(messages: AsyncIterable<EventMessage>, write: (message: EventMessage) => string, heartbeat: string): AsyncGenerator<string> {
  const iterator = messages[Symbol.asyncIterator]();
  let next: Promise<IteratorResult<EventMessage>> | undefined;
  try {
    for (;;) {
      next ??= iterator.next();
      let timer: NodeJS.Timeout | undefined;
      const result = await Promise.race([next, new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), heartbeatMs)))]);
      clearTimeout(timer);
      if (result === undefined) {
        yield heartbeat;
        continue;
      }
      next = undefined;
      if (result.done === true) return;
      yield write(result.value);
    }
  } finally {
    // A reader that waits is woken by its signal; its end is not awaited.
    void iterator.return?.();
  }
}
