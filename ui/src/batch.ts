/** Many runs of one endpoint, a few at a time. */
import { postJson, postStream, ServerError, type Answer } from './api.ts';
import type { BatchItem, Endpoint } from './endpoints/endpoint.ts';
import { formatJson, type JsonValue } from './json.ts';

/** So many requests are under way: enough for a server to join them. A browser opens six connections to a server for all its tabs: two are left for them. */
const concurrency = 4;

/** A file is read when its turn comes, so that a folder of photographs does not fill the memory. */
export interface BatchSource {
  readonly name: string;
  /** A picture to show. */
  readonly file?: File;
  read(): Promise<BatchItem>;
}

export interface BatchResult {
  readonly value?: unknown;
  readonly answer?: Answer;
  readonly problem?: string;
}

/** Calls `onResult` as answers come, in any order. Ends early, without rejecting, when `signal` aborts or the server is gone. */
export async function runBatch(endpoint: Endpoint, value: unknown, sources: readonly BatchSource[], signal: AbortSignal, onResult: (index: number, result: BatchResult) => void, onFailure: (error: ServerError) => void): Promise<void> {
  let next = 0;
  let gone = false;
  const work = async (): Promise<void> => {
    while (next < sources.length && !signal.aborted && !gone) {
      const index = next++;
      const result = await runOne(endpoint, value, sources[index]!, signal);
      if (signal.aborted) return;
      if (result.failure !== undefined) {
        gone = true;
        onFailure(result.failure);
      }
      onResult(index, result);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, sources.length) }, work));
}

async function runOne(endpoint: Endpoint, value: unknown, source: BatchSource, signal: AbortSignal): Promise<BatchResult & { readonly failure?: ServerError }> {
  let placed: unknown;
  try {
    placed = endpoint.batch!.place(value, await source.read());
    const wrong = endpoint.problems(placed)[0];
    if (wrong !== undefined) return { value: placed, problem: wrong.field === '' ? wrong.message : `${wrong.field}: ${wrong.message}` };
    return { value: placed, answer: await answerOf(endpoint, placed, signal) };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    const failed = error instanceof ServerError && error.failure !== 'refused';
    return { ...(placed === undefined ? {} : { value: placed }), problem, ...(failed ? { failure: error } : {}) };
  }
}

async function answerOf(endpoint: Endpoint, value: unknown, signal: AbortSignal): Promise<Answer> {
  const { stream } = endpoint;
  if (stream === undefined || stream.single) return postJson(endpoint.path, endpoint.body(value), signal);
  const { path, body } = stream.request(value);
  const parts: JsonValue[] = [];
  const timing = await postStream(path, body, { onPart: (part) => parts.push(part), onProgress: () => {} }, signal);
  const whole = stream.join(parts);
  return { text: formatJson(whole), value: whole, timing };
}
