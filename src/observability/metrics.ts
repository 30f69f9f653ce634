/**
 * Prometheus metrics: `modelport_*` with histograms, Triton's `nv_inference_*` names for dashboards that exist, and the
 * process. Everything is read from the models' statistics when somebody asks; nothing is counted twice.
 */
import type { Registry } from 'prom-client';
import type { Protocol } from '../protocol.ts';
import type { ModelRepository } from '../repository.ts';
import { expose, type MetricFamily } from './exposition.ts';
import { modelMetrics } from './model-metrics.ts';

/** A protocol of one route, `GET /metrics`. */
export function createMetrics(repository: ModelRepository): Protocol {
  // Loaded when somebody asks for the first time: a server that nobody scrapes starts faster without it.
  let registry: Promise<Registry> | undefined;
  return {
    name: 'metrics',
    routes: () => [
      {
        method: 'GET',
        path: '/metrics',
        door: 'public',
        async handle() {
          const families: MetricFamily[] = modelMetrics(repository);
          const own = await (registry ??= processMetrics());
          return { headers: { 'content-type': own.contentType, 'cache-control': 'no-store' }, body: `${expose(families)}${withoutUnknown(await own.metrics())}` };
        },
      },
    ],
  };
}

/** Samples without a value yet (the mean of no delays), which not every reader takes. */
function withoutUnknown(text: string): string {
  return text.replace(/^[^#\n]+ nan\n/gim, '');
}

async function processMetrics(): Promise<Registry> {
  const { collectDefaultMetrics, Registry } = await import('prom-client');
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}
