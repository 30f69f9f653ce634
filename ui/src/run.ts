/** One run of an endpoint at a time; a new one replaces the one under way. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { postJson, ServerError, type Answer } from './api.ts';
import type { Endpoint } from './endpoints/endpoint.ts';

export interface RunProblem {
  readonly message: string;
  /** What to do next. */
  readonly next: string;
  /** The field, as {@link Endpoint.problems} names it. */
  readonly field: string | undefined;
}

export interface Runner {
  readonly running: boolean;
  readonly answer: Answer | undefined;
  readonly problem: RunProblem | undefined;
  run(value: unknown): Promise<Answer | undefined>;
  cancel(): void;
  /** Shows an answer from earlier, or none. */
  show(answer: Answer | undefined): void;
}

export function useRunner(endpoint: Endpoint, first: Answer | undefined, onFailure: (error: ServerError) => void): Runner {
  const [state, setState] = useState<{ running: boolean; answer: Answer | undefined; problem: RunProblem | undefined }>({ running: false, answer: first, problem: undefined });
  const current = useRef<AbortController | undefined>(undefined);

  useEffect(() => () => current.current?.abort(), []);

  const run = useCallback(async (value: unknown): Promise<Answer | undefined> => {
    current.current?.abort();
    const controller = new AbortController();
    current.current = controller;
    setState((before) => ({ ...before, running: true, problem: undefined }));
    try {
      const answer = await postJson(endpoint.path, endpoint.body(value), controller.signal);
      if (controller.signal.aborted) return undefined;
      setState({ running: false, answer, problem: undefined });
      return answer;
    } catch (error) {
      if (controller.signal.aborted) return undefined;
      if (error instanceof ServerError) onFailure(error);
      setState((before) => ({ ...before, running: false, problem: describe(endpoint, error) }));
      return undefined;
    }
  }, [endpoint, onFailure]);

  const cancel = useCallback(() => {
    current.current?.abort();
    setState((before) => ({ ...before, running: false }));
  }, []);

  const show = useCallback((answer: Answer | undefined) => {
    current.current?.abort();
    setState({ running: false, answer, problem: undefined });
  }, []);

  return { ...state, run, cancel, show };
}

function describe(endpoint: Endpoint, error: unknown): RunProblem {
  if (!(error instanceof ServerError)) return { message: error instanceof Error ? error.message : String(error), next: 'The answer could not be read.', field: undefined };
  return { message: error.message, next: nextStep(error), field: endpoint.fieldAt(error.at, error.message) };
}

function nextStep(error: ServerError): string {
  if (error.failure === 'unreachable') return 'Your input is kept. This page asks again by itself; run when the server is back.';
  if (error.failure === 'unauthorized') return 'Enter the API key, then run again.';
  if (error.status === 503) return error.retryAfterSeconds === undefined ? 'Run again in a moment.' : `Run again in ${error.retryAfterSeconds} s.`;
  if (error.status === 404) return 'The model may have been unloaded or renamed.';
  if (error.status >= 500) return 'The input was accepted, but the model failed on it. The server’s log knows more.';
  return 'Change the input and run again.';
}
