import type { PageState } from './api-types.ts';

const words: Record<PageState, string> = { READY: 'ready', LOADING: 'loading', UNLOADING: 'unloading', UNAVAILABLE: 'unavailable' };

/** Colour and shape: ● ready, ◐ loading, ◌ unloading, ▲ unavailable. */
export function StateMark({ state, word = false }: { state: PageState; word?: boolean }) {
  return (
    <span className={`state state-${words[state]}`}>
      <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
        {state === 'READY' && <circle cx="5" cy="5" r="4" fill="currentColor" />}
        {state === 'LOADING' && (
          <>
            <circle cx="5" cy="5" r="3.5" fill="none" stroke="currentColor" />
            <path d="M5 1a4 4 0 0 0 0 8z" fill="currentColor" />
          </>
        )}
        {state === 'UNLOADING' && <circle cx="5" cy="5" r="3.5" fill="none" stroke="currentColor" strokeDasharray="2 1.5" />}
        {state === 'UNAVAILABLE' && <path d="M5 .8 9.6 9.2H.4z" fill="currentColor" />}
      </svg>
      <span className={word ? undefined : 'unseen'}>{words[state]}</span>
    </span>
  );
}
