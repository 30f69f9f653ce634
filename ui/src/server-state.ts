/** Asks the server what it serves, again and again, and knows when it is gone. The one owner of that knowledge. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { fetchDocument, ServerError } from './api.ts';
import type { PageDocument, PageVersion } from './api-types.ts';

export type ServerStatus = 'loading' | 'ready' | 'gone' | 'unauthorized' | 'failed';

export interface ServerState {
  readonly status: ServerStatus;
  /** The last answer; stays while the server is gone. */
  readonly document: PageDocument | undefined;
  /** What it said instead, where status is `failed`. */
  readonly message: string;
  /** Asks now. */
  refresh(): void;
}

const intervalMs = 2000;
/** Examples may be pictures: a large document is asked for less often, so that an open page costs a server and a phone little. */
const charactersPerMs = 100;
const longestIntervalMs = 20_000;
const retryMs = [500, 1000, 2000, 4000, 5000];

export function useServerState(): ServerState {
  const [state, setState] = useState<Omit<ServerState, 'refresh'>>({ status: 'loading', document: undefined, message: '' });
  const ask = useRef<() => void>(() => {});

  useEffect(() => {
    const controller = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    let failures = 0;

    const next = async (): Promise<void> => {
      if (asking) return;
      asking = true;
      clearTimeout(timer);
      let waitMs: number | undefined = intervalMs;
      try {
        const { document, characters } = await fetchDocument(controller.signal);
        failures = 0;
        if (!isSettling(document)) waitMs = Math.min(longestIntervalMs, Math.max(intervalMs, characters / charactersPerMs));
        setState((before) => {
          const shared = shareUnchanged(before.document, document);
          return before.status === 'ready' && before.document === shared ? before : { status: 'ready', document: shared, message: '' };
        });
      } catch (error) {
        if (controller.signal.aborted) return;
        const failure = error instanceof ServerError ? error.failure : 'unreachable';
        waitMs = failure === 'unauthorized' ? undefined : retryMs[Math.min(failures++, retryMs.length - 1)];
        const status = failure === 'unreachable' ? 'gone' : failure === 'unauthorized' ? 'unauthorized' : 'failed';
        const message = error instanceof Error ? error.message : '';
        setState((before) => (before.status === status && before.message === message ? before : { ...before, status, message }));
      } finally {
        asking = false;
      }
      if (waitMs !== undefined && document.visibilityState === 'visible' && !controller.signal.aborted) timer = setTimeout(() => void next(), waitMs);
    };

    const wake = (): void => {
      if (document.visibilityState === 'visible') void next();
    };
    ask.current = () => void next();
    document.addEventListener('visibilitychange', wake);
    window.addEventListener('online', wake);
    void next();
    return () => {
      controller.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', wake);
      window.removeEventListener('online', wake);
    };
  }, []);

  const refresh = useCallback(() => ask.current(), []);
  return { ...state, refresh };
}

/** Whether something is expected to change soon. */
function isSettling({ models }: PageDocument): boolean {
  return models.some(({ versions }) => versions.some(({ state }) => state === 'LOADING' || state === 'UNLOADING'));
}

/** Keeps the objects of versions that did not change but in their statistics, so that forms are not built anew. */
function shareUnchanged(before: PageDocument | undefined, after: PageDocument): PageDocument {
  if (before === undefined) return after;
  const known = new Map(before.models.flatMap((model) => model.versions.map((version) => [`${model.name}/${version.version}`, version] as const)));
  let same = before.models.length === after.models.length;
  const models = after.models.map((model) => ({
    ...model,
    versions: model.versions.map((version) => {
      const old = known.get(`${model.name}/${version.version}`);
      if (old !== undefined && facts(old) === facts(version)) return old;
      same = false;
      return version;
    }),
  }));
  same &&= before.models.every((model, index) => model.name === after.models[index]!.name && model.versions.length === after.models[index]!.versions.length);
  return same ? before : { ...after, models };
}

function facts(version: PageVersion): string {
  return JSON.stringify({ ...version, served: version.served === undefined ? undefined : { ...version.served, statistics: undefined } });
}
