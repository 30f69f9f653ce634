/** One run of an endpoint at a time; a new one replaces the one under way. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { postJson, postStream, ServerError, type Answer } from './api.ts';
import type { ProgressReport } from './api-types.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { formatJson, type JsonValue } from './json.ts';
import type { FieldProblem } from './schema.ts';

export interface RunProblem {
  readonly message: string;
  /** What to do next. */
  readonly next: string;
  /** Fields, as {@link Endpoint.problems} names them. */
  readonly fields: readonly FieldProblem[];
}

interface RunState {
  readonly running: boolean;
  /** Of an answer that comes in parts: what came so far is in `answer`. */
  readonly partial: boolean;
  readonly progress: ProgressReport | undefined;
  readonly answer: Answer | undefined;
  readonly problem: RunProblem | undefined;
}

export interface Runner extends RunState {
  run(value: unknown): Promise<Answer | undefined>;
  /** What came of an answer in parts stays. */
  cancel(): void;
  /** Shows an answer from earlier, or none. */
  show(answer: Answer | undefined): void;
}

const idle = { running: false, partial: false, progress: undefined, problem: undefined } as const;

export function useRunner(endpoint: Endpoint, first: Answer | undefined, onFailure: (error: ServerError) => void): Runner {
  const [state, setState] = useState<RunState>({ ...idle, answer: first });
  const current = useRef<AbortController | undefined>(undefined);

  useEffect(() => () => current.current?.abort(), []);

  const run = useCallback(async (value: unknown): Promise<Answer | undefined> => {
    current.current?.abort();
    const controller = new AbortController();
    current.current = controller;
    setState((before) => ({ ...idle, answer: before.answer, running: true }));
    try {
      const answer = endpoint.stream === undefined
        ? await postJson(endpoint.path, endpoint.body(value), controller.signal)
        : await follow(endpoint.stream, value, controller.signal, (change) => {
          if (!controller.signal.aborted) setState((before) => ({ ...before, ...change }));
        });
      if (controller.signal.aborted) return undefined;
      setState({ ...idle, answer });
      return answer;
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      if (error instanceof ServerError) onFailure(error);
      setState((before) => ({ ...idle, answer: before.answer, problem: describe(endpoint, error) }));
      return undefined;
    }
  }, [endpoint, onFailure]);

  const cancel = useCallback(() => {
    current.current?.abort();
    setState((before) => ({ ...idle, answer: before.answer }));
  }, []);

  const show = useCallback((answer: Answer | undefined) => {
    current.current?.abort();
    setState({ ...idle, answer });
  }, []);

  return { ...state, run, cancel, show };
}

/** Parts are drawn at most once a frame: tokens come faster than a screen changes. */
async function follow(stream: NonNullable<Endpoint['stream']>, value: unknown, signal: AbortSignal, tell: (change: Partial<RunState>) => void): Promise<Answer> {
  const started = performance.now();
  const parts: JsonValue[] = [];
  const answer = (timing: Answer['timing']): Answer => {
    const whole = stream.join(parts);
    return { text: formatJson(whole), value: whole, timing };
  };
  let frame: number | undefined;
  const { path, body } = stream.request(value);
  try {
    const timing = await postStream(path, body, {
      onPart(part) {
        parts.push(part);
        // The only part is the whole: it is shown when the stream says that it ended.
        if (stream.single) return;
        frame ??= requestAnimationFrame(() => {
          frame = undefined;
          tell({ partial: true, answer: answer({ roundTrip: performance.now() - started }) });
        });
      },
      onProgress: (progress) => tell({ progress }),
    }, signal);
    return answer({ ...timing, ...(stream.single ? {} : { parts: parts.length }) });
  } finally {
    if (frame !== undefined) cancelAnimationFrame(frame);
  }
}

function describe(endpoint: Endpoint, error: unknown): RunProblem {
  if (!(error instanceof ServerError)) return { message: error instanceof Error ? error.message : String(error), next: 'The answer could not be read.', fields: [] };
  const told = error.problems.length > 0 ? error.problems : [{ at: error.at, message: error.message }];
  const fields = told.flatMap(({ at, message }) => {
    const field = endpoint.fieldAt(at, message);
    return field === undefined ? [] : [{ field, message }];
  });
  return { message: error.message, next: nextStep(error), fields };
}

function nextStep(error: ServerError): string {
  if (error.failure === 'unreachable') return 'Your input is kept. This page asks again by itself; run when the server is back.';
  if (error.failure === 'unauthorized') return 'Enter the API key, then run again.';
  if (error.status === 503) return error.retryAfterSeconds === undefined ? 'Run again in a moment.' : `Run again in ${error.retryAfterSeconds} s.`;
  if (error.status === 404) return 'The model may have been unloaded or renamed.';
  if (error.status >= 500) return error.message.includes('log') ? 'The input was accepted, but answering it failed.' : 'The input was accepted, but answering it failed. The server’s log knows more.';
  return 'Change the input and run again.';
}
