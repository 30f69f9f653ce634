/** How shapes combine. https://github.com/onnx/onnx/blob/main/docs/Broadcasting.md */
import { isUnknownDimension, unknownDimension, type Dimension, type Shape } from '../dimension.ts';
import { describeShape, type NodeContext } from './node-context.ts';

/** The shape of an elementwise result. Undefined where a rank is not known. Throws where the shapes don't fit. */
export function broadcast(node: NodeContext, shapes: readonly (Shape | undefined)[]): Shape | undefined {
  const known = shapes.filter((shape) => shape !== undefined);
  if (known.length !== shapes.length) return undefined;
  const rank = Math.max(0, ...known.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    let size: Dimension = 1;
    for (const shape of known) {
      const index = axis - (rank - shape.length);
      if (index < 0) continue;
      const together = broadcastDimension(size, shape[index]!);
      if (together === undefined) throw node.wrong(`the shapes ${known.map(describeShape).join(' and ')} do not fit together`);
      size = together;
    }
    return size;
  });
}

/** Undefined where the two don't fit. */
export function broadcastDimension(a: Dimension, b: Dimension): Dimension | undefined {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === 'number') return typeof b === 'number' ? undefined : a;
  return typeof b === 'number' ? b : unknownDimension();
}

/** The size of two dimensions that must be equal; undefined where they cannot be. */
export function sameDimension(a: Dimension, b: Dimension): Dimension | undefined {
  if (a === b) return a;
  if (typeof a === 'number') return typeof b === 'number' ? undefined : a;
  return typeof b === 'number' || isUnknownDimension(a) ? b : a;
}
