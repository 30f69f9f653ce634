import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { ExpiryHeap } from '../../src/serving/expiry-heap.ts';
import { QueuedRequest } from '../../src/serving/queued-request.ts';

it('always knows the earliest, whatever is added and removed', () => {
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: fc.record({ expiresAtMs: fc.integer({ min: 0, max: 50 }) }) }, { weight: 2, arbitrary: fc.record({ remove: fc.nat() }) }, { weight: 1, arbitrary: fc.constant('removeFirst' as const) }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (script) => {
      const heap = new ExpiryHeap();
      const held: QueuedRequest[] = [];
      for (const step of script) {
        if (step === 'removeFirst') {
          if (heap.first === undefined) continue;
          held.splice(held.indexOf(heap.first), 1);
          heap.remove(heap.first);
        } else if ('remove' in step) {
          const [removed] = held.splice(step.remove % Math.max(1, held.length), 1);
          if (removed === undefined) continue;
          heap.remove(removed);
          heap.remove(removed);
          expect(removed.heapIndex).toBe(-1);
        } else {
          const request = new QueuedRequest({ inputs: new Map() }, new Call(), 0, 0, 0);
          request.expiresAtMs = step.expiresAtMs;
          held.push(request);
          heap.add(request);
        }
        expect(heap.nextMs).toBe(Math.min(...held.map((request) => request.expiresAtMs)));
      }
    }),
    { numRuns: 500, seed: 7 },
  );
});
