import { expect, test } from 'vitest';
import { figuresBetween } from '../../ui/src/dashboard-figures.ts';
import { labelScoresOf } from '../../ui/src/outputs/label-scores.ts';
import { bucketsOf, parsePrometheus, quantileBetween, sumOf } from '../../ui/src/prometheus.ts';
import { formatRoute, parseRoute, type Route } from '../../ui/src/route.ts';
import { parsePastedRow } from '../../ui/src/inputs/pasted-row.ts';

test('Prometheus text is read with labels, escapes and infinities', () => {
  const samples = parsePrometheus('# HELP a b\na{model="i\\"r,is",version="1"} 3\na{model="b"} 4 1700000000000\nb +Inf\nbroken{\n');
  expect(samples).toHaveLength(3);
  expect(sumOf(samples, 'a')).toBe(7);
  expect(sumOf(samples, 'a', { model: 'i"r,is' })).toBe(3);
  expect(sumOf(samples, 'b')).toBe(Infinity);
  expect(sumOf(samples, 'c')).toBeUndefined();
});

test('quantiles are of what happened between two readings', () => {
  const before = new Map([[0.1, 100], [0.2, 100], [Infinity, 100]]);
  const after = new Map([[0.1, 100], [0.2, 110], [Infinity, 110]]);
  expect(quantileBetween(before, after, 0.5)).toBeCloseTo(0.15);
  expect(quantileBetween(after, after, 0.5)).toBeUndefined();
  expect(quantileBetween(new Map(), new Map([[0.1, 1], [Infinity, 4]]), 0.9)).toBe(0.1);
  expect([...bucketsOf(parsePrometheus('h_bucket{le="+Inf",m="a"} 4\nh_bucket{le="0.5",m="a"} 1\nh_bucket{le="0.5",m="b"} 2'), 'h')]).toEqual([[0.5, 3], [Infinity, 4]]);
});

test('a dashboard has rates, batch sizes and waiting requests by model', () => {
  const reading = (atMs: number, success: number, rows: number, runs: number, queueUs: number) => ({
    atMs,
    samples: parsePrometheus(`nv_inference_request_success{model="iris",version="1"} ${success}\nnv_inference_request_failure{model="iris",version="1"} 1\nnv_inference_count{model="iris",version="1"} ${rows}\nnv_inference_exec_count{model="iris",version="1"} ${runs}\nnv_inference_queue_duration_us{model="iris",version="1"} ${queueUs}\nnv_inference_pending_request_count{model="iris",version="1"} 2\nprocess_resident_memory_bytes 1e8`),
  });
  const figures = figuresBetween(reading(0, 10, 10, 10, 0), reading(2000, 30, 50, 20, 40_000), 'iris');
  expect(figures).toMatchObject({ requestsPerSecond: 10, failuresPerSecond: 0, batchSize: 4, waiting: 2, queueMs: 2, memoryBytes: 1e8, p50Ms: undefined });
  // A restarted server counts from zero again.
  expect(figuresBetween(reading(0, 30, 50, 20, 0), reading(1000, 5, 5, 5, 0)).requestsPerSecond).toBe(0);
});

test.each<Route>([
  { page: 'home' },
  { page: 'dashboard' },
  { page: 'model', name: 'a/b? c#d', version: '2', input: '{"x":"a&b=c%20\\n🦊"}' },
  { page: 'model', name: 'iris' },
])('an address is read as it was written: %o', (route) => {
  expect(parseRoute(formatRoute(route))).toEqual(route);
});

test('an address that is no address is the start', () => {
  for (const hash of ['', '#', '#/', '#/nothing', '#/models', '#%E0%A4%A']) expect(parseRoute(hash)).toEqual({ page: 'home' });
  expect(parseRoute('#/models/%E0%A4%A')).toEqual({ page: 'model', name: '%E0%A4%A' });
});

test('scores of labels are found in the forms in which models give them', () => {
  expect(labelScoresOf([{ label: 'a', score: 0.1 }, { label: 'b', score: 0.9 }])?.map(({ label }) => label)).toEqual(['b', 'a']);
  expect(labelScoresOf({ setosa: 0.7, virginica: 0.3 })).toEqual([{ label: 'setosa', score: 0.7 }, { label: 'virginica', score: 0.3 }]);
  expect(labelScoresOf({ width: 3, height: 4 })).toBeUndefined();
  expect(labelScoresOf([{ label: 'cat', score: 0.9, box: { x: 1 } }])).toBeUndefined();
  expect(labelScoresOf([])).toBeUndefined();
});

test('a row from a spreadsheet is found by order or by its header', () => {
  expect(parsePastedRow('5.1\t3,5\t1.4', [])).toEqual({ values: ['5.1', '3,5', '1.4'] });
  expect(parsePastedRow('Petal length (cm)\tsepal_length\n1.4\t5.1', ['sepal_length', 'petal_length'])).toEqual({ values: ['1.4', '5.1'], names: ['petal_length', 'sepal_length'] });
  expect(parsePastedRow('just some text, really', ['a'])).toBeUndefined();
  expect(parsePastedRow('5.1', ['a'])).toBeUndefined();
});
