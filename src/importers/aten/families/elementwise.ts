/** Arithmetic, comparisons, functions of one number, casts and choices. */
import type { Lowerings } from '../lowering.ts';

export const elementwise: Lowerings = {
  relu: ({ graph }, given) => graph.op.relu(given.value('self')),
};
