/** Sizes that a traced program has as constants: what they say of the sizes that could otherwise vary. */
import { divideDimensions, isUnknownDimension, productOfDimensions, type Dimension } from '../../onnx/dimension.ts';
import { AtenTensor, type AtenValue } from '../aten/value.ts';
import type { ScriptValue } from './script-value.ts';

/** The program is right for one size only. */
export class FixedSize extends Error {
  readonly dimension: string;
  readonly size: number;

  constructor(dimension: string, size: number) {
    super(`the program works only where ${dimension} is ${size}`);
    this.dimension = dimension;
    this.size = size;
  }
}

const elementwise = new Set(['add', 'sub', 'mul', 'div', 'where', 'masked_fill', 'eq', 'ne', 'lt', 'gt', 'le', 'ge', 'maximum', 'minimum', 'logical_and', 'logical_or', 'baddbmm', 'addcmul', 'rsub', 'pow']);

/** Throws {@link FixedSize} where the operator can only work if a size that has a plain name is one number. */
export function checkFixedSizes(name: string, args: readonly ScriptValue[]): void {
  const plain = name.endsWith('_') && !name.startsWith('__') ? name.slice(0, -1) : name;
  const [first, second] = args;
  if ((plain === 'view' || plain === 'reshape' || plain === '_unsafe_view') && first instanceof AtenTensor && first.shape !== undefined && Array.isArray(second)) {
    if (!second.every((size) => typeof size === 'bigint' && size > 0n)) return;
    const wanted = (second as readonly bigint[]).reduce((product, size) => product * Number(size), 1);
    fix(productOfDimensions(first.shape), wanted);
  } else if ((plain === 'expand' || plain === 'broadcast_to') && first instanceof AtenTensor && first.shape !== undefined && Array.isArray(second)) {
    for (const [index, size] of second.entries()) {
      const own = first.shape[index - (second.length - first.shape.length)];
      if (typeof size === 'bigint' && size > 1n && own !== undefined) fix(own, Number(size));
    }
  } else if (elementwise.has(plain)) {
    const shapes = args.filter((argument) => argument instanceof AtenTensor && argument.shape !== undefined).map((tensor) => (tensor as AtenTensor).shape!);
    for (const shape of shapes) {
      for (const other of shapes) {
        if (shape === other) continue;
        for (let axis = 1; axis <= Math.min(shape.length, other.length); axis++) {
          const size = other.at(-axis)!;
          if (typeof size === 'number' && size > 1) fix(shape.at(-axis)!, size);
        }
      }
    }
  } else if ((plain === 'cat' || plain === 'concat' || plain === 'stack') && Array.isArray(first)) {
    const axis = plain === 'stack' ? undefined : axisOf(second as AtenValue | undefined, first);
    const shapes = first.filter((item) => item instanceof AtenTensor && item.shape !== undefined).map((item) => (item as AtenTensor).shape!);
    for (const shape of shapes) {
      for (const other of shapes) {
        if (shape.length !== other.length) continue;
        for (const [index, size] of other.entries()) if (index !== axis && typeof size === 'number') fix(shape[index]!, size);
      }
    }
  }
}

function axisOf(value: AtenValue | undefined, items: readonly AtenValue[]): number | undefined {
  const rank = items.find((item) => item instanceof AtenTensor)?.shape?.length ?? 0;
  const axis = typeof value === 'bigint' ? Number(value) : 0;
  return axis < 0 ? axis + rank : axis;
}

/** `dimension` must be `size`. What follows for the name in it, where there is one. */
function fix(dimension: Dimension, size: number): void {
  if (typeof dimension === 'number' || isUnknownDimension(dimension)) return;
  const match = /^(?:(\d+)\*)?([A-Za-z_]\w*)$/.exec(dimension);
  if (match === null) return;
  const quotient = match[1] === undefined ? size : divideDimensions(size, Number(match[1]));
  if (typeof quotient === 'number' && quotient > 0) throw new FixedSize(match[2]!, quotient);
}
