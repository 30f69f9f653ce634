/**
 * How a job tells of itself: to clients with a queue ("sse_v3": all events of a session in one stream, changes only after the first
 * value), https://github.com/gradio-app/gradio/blob/main/gradio/server_messages.py, or plainly, one stream a job, always whole values.
 */
import type { Progress } from '../../call.ts';
import { diff } from './diff.ts';
import type { EventMessage } from './event-store.ts';

export type JobMessage =
  /** `ahead`: jobs that are before it. */
  | { readonly kind: 'estimation'; readonly ahead: number; readonly waiting: number; readonly etaSeconds: number | null }
  | { readonly kind: 'starts'; readonly etaSeconds: number | null }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'generating'; readonly data: readonly unknown[] }
  | { readonly kind: 'completed'; readonly data: readonly unknown[]; readonly seconds: number; readonly averageSeconds: number }
  | { readonly kind: 'failed'; readonly title: string; readonly message: string };

/** Undefined: this client is not told. Called in the order of the messages. */
export type JobFormat = (message: JobMessage) => EventMessage | undefined;

export function queueFormat(eventId: string): JobFormat {
  let before: readonly unknown[] | undefined;
  const write = (kind: EventMessage['kind'], msg: string, members: Readonly<Record<string, unknown>>): EventMessage => ({ kind, data: JSON.stringify({ msg, event_id: eventId, ...members }) });
  return (message) => {
    switch (message.kind) {
      case 'estimation':
        return write('estimation', 'estimation', { rank: message.ahead, queue_size: message.waiting, rank_eta: message.etaSeconds });
      case 'starts':
        return write('starts', 'process_starts', { eta: message.etaSeconds });
      case 'progress': {
        const { fraction, text } = message.progress;
        return write('progress', 'progress', { progress_data: [{ index: null, length: null, unit: null, progress: fraction ?? null, desc: text ?? null }] });
      }
      case 'generating': {
        const { data } = message;
        const told = before === undefined ? data : data.map((value, index) => diff(before![index], value));
        before = data;
        return write('generating', 'process_generating', { output: { data: told, is_generating: true, ...noChanges }, success: true, time_limit: null });
      }
      case 'completed':
        return write('completed', 'process_completed', {
          output: { data: message.data, is_generating: false, duration: message.seconds, average_duration: message.averageSeconds, ...noChanges },
          success: true,
          title: null,
        });
      case 'failed':
        // The Python client passes on what stands beside `error`: only what it knows.
        return write('failed', 'process_completed', { output: { error: message.message, title: message.title, visible: true, duration: 10 }, success: false, title: message.title });
    }
  };
}

const noChanges = { render_config: null, changed_state_ids: [] };

export const plainFormat: JobFormat = (message) => {
  switch (message.kind) {
    case 'generating':
    case 'completed':
      return { kind: message.kind, data: JSON.stringify(message.data) };
    case 'failed':
      return { kind: 'failed', data: JSON.stringify({ error: message.message, title: message.title, visible: true, duration: 10 }) };
    default:
      return undefined;
  }
};

export function runAnswer(data: readonly unknown[], seconds: number, averageSeconds: number): string {
  return JSON.stringify({ data, is_generating: false, duration: seconds, average_duration: averageSeconds, ...noChanges });
}
