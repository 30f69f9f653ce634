import { useEffect, useState } from 'react';
import { fetchMetrics } from './api.ts';
import type { Reading } from './dashboard-figures.ts';
import { parsePrometheus } from './prometheus.ts';

const intervalMs = 1000;
/** Two minutes. */
const mostReadings = 121;

export interface Readings {
  /** Oldest first. */
  readonly readings: readonly Reading[];
  readonly failed: boolean;
}

/** Reads /metrics each second while the page is seen. */
export function useReadings(): Readings {
  const [state, setState] = useState<Readings>({ readings: [], failed: false });
  useEffect(() => {
    const controller = new AbortController();
    let asking = false;
    const read = async (): Promise<void> => {
      if (asking || document.visibilityState !== 'visible') return;
      asking = true;
      try {
        const samples = parsePrometheus(await fetchMetrics(controller.signal));
        setState(({ readings }) => ({ readings: [...readings, { atMs: performance.now(), samples }].slice(-mostReadings), failed: false }));
      } catch {
        if (!controller.signal.aborted) setState((before) => ({ ...before, failed: true }));
      } finally {
        asking = false;
      }
    };
    void read();
    const timer = setInterval(() => void read(), intervalMs);
    return () => {
      controller.abort();
      clearInterval(timer);
    };
  }, []);
  return state;
}
