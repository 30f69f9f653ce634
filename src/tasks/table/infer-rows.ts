/** Rows → tensors → `infer` → tensors of each part. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { InferResponse, Model, TensorSpec } from '../../model.ts';
import { allocate, type Tensor, type TensorData } from '../../tensor.ts';
import type { Element } from './cell.ts';
import type { Table } from './columns.ts';

/** Answers for the rows from `start` on. */
export interface PartAnswer {
  readonly start: number;
  readonly count: number;
  readonly response: InferResponse;
}

/** Parts of one request that wait or run at a time: enough to keep every instance busy, too few to fill a queue. */
const mostAtOnce = 8;

/** Cuts the rows into parts that the model can run, in order. A single part runs under `call` itself and joins batches. */
export async function inferRows(model: Model, table: Table, rows: readonly (readonly (Element | undefined)[])[], outputs: readonly string[], call: Call): Promise<PartAnswer[]> {
  const parts = Array.from({ length: Math.ceil(rows.length / table.mostRows) }, (_, index) => {
    const start = index * table.mostRows;
    return { start, count: Math.min(table.mostRows, rows.length - start) };
  });
  const infer = async ({ start, count }: { readonly start: number; readonly count: number }, part: Call) => {
    const inputs = rowTensors(table, rows.slice(start, start + count));
    return { start, count, response: await model.infer!({ inputs, outputs }, part) };
  };
  if (parts.length === 1) return [await infer(parts[0]!, call)];
  const answers: PartAnswer[] = new Array<PartAnswer>(parts.length);
  let next = 0;
  const work = async () => {
    while (next < parts.length) {
      call.throwIfCancelled();
      const index = next++;
      const child = call.child();
      answers[index] = await infer(parts[index]!, child);
      const begun = call.timing.queuedAtMs;
      Object.assign(call.timing, child.timing, begun === 0 ? {} : { queuedAtMs: begun });
    }
  };
  await Promise.all(Array.from({ length: Math.min(mostAtOnce, parts.length) }, work));
  return answers;
}

function rowTensors(table: Table, rows: readonly (readonly (Element | undefined)[])[]): Map<string, Tensor> {
  const tensors = new Map<string, Tensor>();
  for (const spec of table.inputs) {
    const places = table.columns.flatMap((column, index) => (column.spec === spec ? [{ index, place: column.place }] : []));
    const given = rows.filter((row) => places.some(({ index }) => row[index] !== undefined)).length;
    if (given === 0 && spec.optional === true) continue;
    if (given !== rows.length) {
      throw new ModelportError('INVALID_VALUE', `column '${table.columns[places[0]!.index]!.name}' is there in some rows and missing in others: leave it out of all or of none`);
    }
    const width = places.length;
    const data = allocate(spec.datatype, rows.length * width) as unknown as (Element | undefined)[];
    rows.forEach((row, rowIndex) => {
      for (const { index, place } of places) data[rowIndex * width + place] = row[index];
    });
    tensors.set(spec.name, { datatype: spec.datatype, shape: shapeOf(spec, rows.length, width), data: data as unknown as TensorData });
  }
  return tensors;
}

function shapeOf(spec: TensorSpec, rows: number, width: number): number[] {
  if (spec.shape.length === 2) return [rows, width];
  return spec.batchAxis === 0 ? [rows] : [width];
}

/** How many elements of an output belong to one row. Throws `RUN_FAILED` where the rows do not come out even. */
export function elementsPerRow(name: string, tensor: Tensor, rows: number): number {
  const size = tensor.data.length / rows;
  if (!Number.isInteger(size) || size === 0) throw new ModelportError('RUN_FAILED', `output '${name}' has ${tensor.data.length} elements for ${rows} rows`);
  return size;
}
