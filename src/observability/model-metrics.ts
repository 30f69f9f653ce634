/** Statistics of the served models as metric families: our own names in base units with histograms, and Triton's. */
import type { LatencyPhase, ModelRepository, ModelState, StatisticsSnapshot } from '../repository.ts';
import type { MetricFamily, Sample } from './exposition.ts';

interface ModelSnapshot {
  readonly labels: Readonly<Record<string, string>>;
  readonly statistics: StatisticsSnapshot;
}

const states: readonly ModelState[] = ['LOADING', 'READY', 'UNLOADING', 'UNAVAILABLE'];

const phases: readonly (readonly [phase: LatencyPhase, name: string, help: string])[] = [
  ['request', 'modelport_request_duration_seconds', 'From the moment a request reached its model until it was answered.'],
  ['queue', 'modelport_queue_duration_seconds', 'How long requests waited for their run.'],
  ['computeInput', 'modelport_batch_gather_duration_seconds', 'How long the inputs of a request’s run took to be put together.'],
  ['computeInfer', 'modelport_run_duration_seconds', 'How long the run took that answered a request.'],
  ['computeOutput', 'modelport_batch_scatter_duration_seconds', 'How long the answer of a run took to be handed back.'],
];

export function modelMetrics(repository: ModelRepository): MetricFamily[] {
  const models: ModelSnapshot[] = repository.ready().map((served) => ({ labels: { model: served.name, version: served.version }, statistics: served.statistics() }));
  const each = (value: (statistics: StatisticsSnapshot) => number): Sample[] => models.map(({ labels, statistics }) => ({ labels, value: value(statistics) }));
  const counter = (name: string, help: string, samples: Sample[]): MetricFamily => ({ name, help, type: 'counter', samples });
  const gauge = (name: string, help: string, samples: Sample[]): MetricFamily => ({ name, help, type: 'gauge', samples });
  return [
    gauge(
      'modelport_model_state',
      '1 for the state that a model version is in.',
      repository.index().flatMap(({ name, version, state }) => states.map((candidate) => ({ labels: { model: name, version, state: candidate }, value: candidate === state ? 1 : 0 }))),
    ),
    counter('modelport_requests_total', 'Requests that ended, by outcome.', models.flatMap(({ labels, statistics }) => [
      { labels: { ...labels, outcome: 'success' }, value: statistics.success.count },
      { labels: { ...labels, outcome: 'failure' }, value: statistics.fail.count },
      { labels: { ...labels, outcome: 'cancelled' }, value: statistics.cancel.count },
    ])),
    gauge('modelport_requests_in_progress', 'Requests that wait or run.', each((statistics) => statistics.inProgress ?? 0)),
    counter('modelport_rows_total', 'Rows of runs that ended well.', each((statistics) => statistics.inferenceCount)),
    counter('modelport_runs_total', 'Runs that ended well.', each((statistics) => statistics.executionCount)),
    counter('modelport_batch_runs_total', 'Runs that ended well, by their number of rows.', models.flatMap(({ labels, statistics }) =>
      statistics.batches.map(({ batchSize, computeInfer }) => ({ labels: { ...labels, batch_size: String(batchSize) }, value: computeInfer.count })))),
    counter('modelport_cache_lookups_total', 'Look-ups in the response cache, by result.', models.flatMap(({ labels, statistics }) => [
      { labels: { ...labels, result: 'hit' }, value: statistics.cacheHit.count },
      { labels: { ...labels, result: 'miss' }, value: statistics.cacheMiss.count },
    ])),
    ...phases.map(([phase, name, help]): MetricFamily => ({
      name,
      help,
      type: 'histogram',
      samples: models.flatMap(({ labels, statistics }) => {
        const histogram = statistics.histograms?.[phase];
        return histogram === undefined ? [] : [{ labels, bounds: histogram.boundsMs.map((bound) => bound / 1000), counts: histogram.counts, sum: histogram.sumMs / 1000 }];
      }),
    })),
    ...tritonMetrics(models, each),
  ];
}

/** https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md */
function tritonMetrics(models: readonly ModelSnapshot[], each: (value: (statistics: StatisticsSnapshot) => number) => Sample[]): MetricFamily[] {
  const microseconds = (name: 'success' | 'queue' | 'computeInput' | 'computeInfer' | 'computeOutput') => each((statistics) => Math.round(statistics[name].ns / 1000));
  const counter = (name: string, help: string, samples: Sample[]): MetricFamily => ({ name, help, type: 'counter', samples });
  return [
    counter('nv_inference_request_success', 'Number of successful inference requests, all batch sizes', each((statistics) => statistics.success.count)),
    counter('nv_inference_request_failure', 'Number of failed inference requests, all batch sizes', models.flatMap(({ labels, statistics }) =>
      Object.entries(statistics.failures ?? { OTHER: statistics.fail.count }).map(([reason, value]) => ({ labels: { ...labels, reason }, value })))),
    counter('nv_inference_count', 'Number of inferences performed (does not include cached requests)', each((statistics) => statistics.inferenceCount)),
    counter('nv_inference_exec_count', 'Number of model executions performed (does not include cached requests)', each((statistics) => statistics.executionCount)),
    counter('nv_inference_request_duration_us', 'Cumulative inference request duration in microseconds (includes cached requests)', microseconds('success')),
    counter('nv_inference_queue_duration_us', 'Cumulative inference queuing duration in microseconds (includes cached requests)', microseconds('queue')),
    counter('nv_inference_compute_input_duration_us', 'Cumulative compute input duration in microseconds (does not include cached requests)', microseconds('computeInput')),
    counter('nv_inference_compute_infer_duration_us', 'Cumulative compute inference duration in microseconds (does not include cached requests)', microseconds('computeInfer')),
    counter('nv_inference_compute_output_duration_us', 'Cumulative inference compute output duration in microseconds (does not include cached requests)', microseconds('computeOutput')),
    { name: 'nv_inference_pending_request_count', help: 'Instantaneous number of pending requests awaiting execution per-model.', type: 'gauge', samples: each((statistics) => statistics.inProgress ?? 0) },
    counter('nv_cache_num_hits_per_model', 'Number of cache hits per model', each((statistics) => statistics.cacheHit.count)),
    counter('nv_cache_num_misses_per_model', 'Number of cache misses per model', each((statistics) => statistics.cacheMiss.count)),
  ];
}
