import { expect, it } from 'vitest';
import { LatencyRecorder } from '../../src/lib/latency-recorder.ts';

it('percentiles are those of the sorted list, at most 0.1 % too high', () => {
  const recorder = new LatencyRecorder();
  const valuesMs: number[] = [];
  let state = 1;
  for (let index = 0; index < 50_000; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    const valueMs = Math.exp((state / 2 ** 32) * 14 - 5);
    valuesMs.push(valueMs);
    recorder.recordMs(valueMs);
  }
  valuesMs.sort((a, b) => a - b);
  for (const percent of [0.01, 1, 50, 90, 99, 99.9, 99.99, 100]) {
    const exact = valuesMs[Math.max(1, Math.ceil((percent / 100) * valuesMs.length)) - 1]!;
    const found = recorder.percentileMs(percent);
    expect(found).toBeGreaterThanOrEqual(exact - 0.000_51);
    expect(found).toBeLessThanOrEqual(exact * 1.001 + 0.000_51);
  }
  expect(recorder.percentileMs(100)).toBeCloseTo(valuesMs.at(-1)!, 3);
  expect(recorder.meanMs).toBeCloseTo(valuesMs.reduce((sum, value) => sum + value, 0) / valuesMs.length, 2);
});

it('the counts of two are those of one', () => {
  const [one, odd, even] = [new LatencyRecorder(), new LatencyRecorder(), new LatencyRecorder()];
  for (let index = 0; index < 1000; index++) {
    one.recordMs(index * 1.7);
    (index % 2 === 0 ? even : odd).recordMs(index * 1.7);
  }
  odd.add(even);
  expect([odd.count, odd.maxUs, odd.sumUs, odd.percentileMs(73)]).toEqual([one.count, one.maxUs, one.sumUs, one.percentileMs(73)]);
});

it('every whole number of microseconds has a bucket, and none below it', () => {
  const recorder = new LatencyRecorder();
  expect(recorder.percentileMs(50)).toBeNaN();
  for (const us of [0, 1, 2047, 2048, 4095, 4096, 1e6, 2 ** 31 - 1, 1e12]) {
    const alone = new LatencyRecorder();
    alone.recordMs(us / 1000);
    expect(alone.percentileMs(50)).toBe(Math.min(us, 2 ** 31 - 1) / 1000);
  }
});
