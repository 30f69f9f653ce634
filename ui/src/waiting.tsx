/** While an answer is awaited: that it is, how far it is, and how many are before it. */
import { useEffect, useState } from 'react';
import { fetchQueue } from './api.ts';
import type { QueueFacts } from './api-types.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import type { Runner } from './run.ts';

/** Shorter waits are not worth words. */
const patienceMs = 600;
const askingMs = 1000;

export function Waiting({ endpoint, runner }: { readonly endpoint: Endpoint; readonly runner: Runner }) {
  const { running, partial, progress } = runner;
  return (
    <>
      <div className="progress" data-on={running} aria-hidden="true" />
      {running && <Patience key={endpoint.path} endpoint={endpoint} partial={partial} fraction={progress?.fraction} text={progress?.text} />}
    </>
  );
}

interface PatienceProps {
  readonly endpoint: Endpoint;
  readonly partial: boolean;
  readonly fraction: number | undefined;
  readonly text: string | undefined;
}

function Patience({ endpoint, partial, fraction, text }: PatienceProps) {
  const [seconds, setSeconds] = useState<number>();
  const ahead = useAhead(endpoint, !partial && fraction === undefined);

  useEffect(() => {
    const started = performance.now();
    let timer = setTimeout(function tick() {
      setSeconds((performance.now() - started) / 1000);
      timer = setTimeout(tick, 500);
    }, patienceMs);
    return () => clearTimeout(timer);
  }, []);

  if (seconds === undefined && fraction === undefined && text === undefined && !partial) return null;
  const told = text ?? (partial ? 'Answering' : ahead === undefined || ahead === 0 ? 'Working' : `Waiting behind about ${ahead} ${ahead === 1 ? 'request' : 'requests'}`);
  return (
    <div className="waiting">
      {fraction !== undefined && <progress max={1} value={fraction} aria-label="Progress" />}
      <span className="caption" role="status">{fraction === undefined ? '' : `${Math.round(fraction * 100)} % · `}{told}</span>
      {seconds !== undefined && <span className="caption number" aria-hidden="true">{seconds.toFixed(0)} s</span>}
    </div>
  );
}

/**
 * How many requests come before this one: those under way when it was sent, less those answered since. Requests are taken in their order, but
 * several may run at once, so it is a bound.
 */
function useAhead({ model, version }: Endpoint, asking: boolean): number | undefined {
  const [ahead, setAhead] = useState<number>();
  useEffect(() => {
    if (!asking) return undefined;
    const controller = new AbortController();
    let first: QueueFacts | undefined;
    let timer = setTimeout(function ask() {
      fetchQueue(model, version, controller.signal).then((facts) => {
        first ??= facts;
        setAhead(Math.max(0, first.inProgress - 1 - (facts.answered - first.answered)));
        timer = setTimeout(ask, askingMs);
      }, () => {});
    }, patienceMs / 2);
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [model, version, asking]);
  return ahead;
}
