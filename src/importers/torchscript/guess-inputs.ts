/**
 * What a program says of its inputs by its first layers: a convolution knows its channels, a linear layer its features. The program is followed
 * with inputs of which nothing is known; where one reaches such a layer, its shape is told backwards through what happened to it before.
 */
import { ElementType } from '../../onnx/data-type.ts';
import type { Dimension, Shape } from '../../onnx/dimension.ts';
import { AtenTensor, AtenTuple, type AtenValue } from '../aten/value.ts';
import { ScriptDict, Unknown, type ScriptValue } from './script-value.ts';

/** What is known of an input without a declaration. */
export interface InputGuess {
  readonly elementType: number;
  readonly shape: Shape;
}

/** Undoes one step: from the shape after it to the shape before. Undefined where that cannot be told. */
export type Undo = (shape: Shape) => Shape | undefined;

export class InputGuesses {
  readonly found = new Map<string, InputGuess>();
  /** Why the program cannot be imported whatever its inputs are. */
  refusal: Error | undefined;
  /** What kept the program from being followed to its end. */
  stoppedAt: string | undefined;

  input(name: string): Unknown {
    return new Unknown(name, []);
  }

  /** What an operator makes of arguments of which at least one is not known: `first`. */
  follow(name: string, args: readonly ScriptValue[], first: Unknown): Unknown {
    this.#learn(name, args);
    const plain = name.endsWith('_') && !name.startsWith('__') ? name.slice(0, -1) : name;
    if (sameShape.has(plain)) return first;
    return new Unknown(first.input, first.undo === undefined ? undefined : appended(first.undo, undoOf(plain, args)));
  }

  #learn(name: string, args: readonly ScriptValue[]): void {
    const layer = Object.hasOwn(layers, name) ? layers[name]! : undefined;
    const [at, needs] = layer?.(args) ?? [];
    if (at === undefined || needs === undefined || !(at instanceof Unknown) || at.undo === undefined || this.found.has(at.input)) return;
    let shape: Shape | undefined = needs.shape;
    for (const undo of at.undo.toReversed()) shape = shape === undefined ? undefined : undo(shape);
    if (shape !== undefined) this.found.set(at.input, { elementType: needs.elementType, shape });
  }
}

function appended(undo: readonly Undo[], next: Undo | undefined): readonly Undo[] | undefined {
  return next === undefined ? undefined : [...undo, next];
}

/** The first value in the arguments that is not known. */
export function unknownIn(values: Iterable<ScriptValue>): Unknown | undefined {
  for (const value of values) {
    if (value instanceof Unknown) return value;
    const inner = Array.isArray(value) ? value : value instanceof AtenTuple ? value.items : value instanceof ScriptDict ? [...value.entries.values()] : [];
    const found = inner.length === 0 ? undefined : unknownIn(inner as readonly ScriptValue[]);
    if (found !== undefined) return found;
  }
  return undefined;
}

const sameShape = new Set([
  'to', 'float', 'type_as', 'contiguous', 'clone', 'detach', 'add', 'sub', 'mul', 'div', 'rsub', 'relu', 'clamp', 'dropout', 'feature_dropout', 'constant_pad_nd', 'reflection_pad1d', 'reflection_pad2d', 'replication_pad1d', 'replication_pad2d', 'pad', 'sigmoid', 'tanh',
  'gelu', 'silu', 'abs', 'neg', 'sqrt', 'pow', 'exp', 'log', 'log1p', 'data', 'cpu', 'alias', 'masked_fill', 'eq', 'ne', 'layer_norm', 'batch_norm', 'instance_norm', 'group_norm', 'slice', 'pin_memory', 'requires_grad', 'annotate', '_unwrap_optional', 'unchecked_unwrap_optional',
]); // prettier-ignore

function axisOf(value: ScriptValue | undefined, rank: number): number | undefined {
  if (typeof value !== 'bigint') return undefined;
  const axis = Number(value) < 0 ? Number(value) + rank : Number(value);
  return axis >= 0 && axis < rank ? axis : undefined;
}

function undoOf(name: string, args: readonly ScriptValue[]): Undo | undefined {
  switch (name) {
    case 'unsqueeze':
      return (shape) => {
        const axis = axisOf(args[1], shape.length);
        return axis === undefined ? undefined : shape.filter((_, index) => index !== axis);
      };
    case 'transpose':
    case 'swapaxes':
      return (shape) => {
        const [a, b] = [axisOf(args[1], shape.length), axisOf(args[2], shape.length)];
        if (a === undefined || b === undefined) return undefined;
        return shape.map((size, index) => (index === a ? shape[b]! : index === b ? shape[a]! : size));
      };
    case 'permute': {
      const order = args[1];
      if (!Array.isArray(order)) return undefined;
      return (shape) => {
        if (order.length !== shape.length) return undefined;
        const before: Dimension[] = [...shape];
        for (const [index, given] of order.entries()) {
          const axis = axisOf(given, shape.length);
          if (axis === undefined) return undefined;
          before[axis] = shape[index]!;
        }
        return before;
      };
    }
    case 'flatten':
      // A flattened input may have any number of axes; what is flat already stays as it is.
      return (shape) => (shape.length === 2 ? shape : undefined);
    default:
      return undefined;
  }
}

type Layer = (args: readonly ScriptValue[]) => readonly [input: ScriptValue | undefined, needs: InputGuess] | undefined;

const { FLOAT, INT64 } = ElementType;
const spatial: Readonly<Record<number, readonly string[]>> = { 1: ['length'], 2: ['height', 'width'], 3: ['depth', 'height', 'width'] };

/** Weights without names of sizes. */
function sizesOf(value: ScriptValue | undefined): readonly number[] | undefined {
  return value instanceof AtenTensor && value.shape?.every((size) => typeof size === 'number') === true ? (value.shape as readonly number[]) : undefined;
}

function floatOf(weight: ScriptValue | undefined): number {
  return weight instanceof AtenTensor ? weight.elementType : FLOAT;
}

function convolution(weight: ScriptValue | undefined, groups: ScriptValue | undefined, transposed: boolean, axes?: number): InputGuess | undefined {
  const sizes = sizesOf(weight);
  const names = spatial[axes ?? (sizes?.length ?? 0) - 2];
  if (sizes === undefined || names === undefined || sizes.length !== names.length + 2) return undefined;
  const channels = transposed ? sizes[0]! : sizes[1]! * (typeof groups === 'bigint' ? Number(groups) : 1);
  return { elementType: floatOf(weight), shape: ['batch', channels, ...names] };
}

const layerOf = (guess: (args: readonly ScriptValue[]) => InputGuess | undefined): Layer => (args) => {
  const needs = guess(args);
  return needs === undefined ? undefined : [args[0], needs];
};

function recurrent(parameters: ScriptValue | undefined, batchFirst: ScriptValue | undefined): InputGuess | undefined {
  const weight = Array.isArray(parameters) ? (parameters as readonly AtenValue[])[0] : undefined;
  const sizes = sizesOf(weight);
  if (sizes?.length !== 2) return undefined;
  return { elementType: floatOf(weight), shape: batchFirst === true ? ['batch', 'sequence', sizes[1]!] : ['sequence', 'batch', sizes[1]!] };
}

function features(weight: ScriptValue | undefined, axis: number): InputGuess | undefined {
  const sizes = sizesOf(weight);
  return sizes?.length === 2 ? { elementType: floatOf(weight), shape: ['batch', sizes[axis]!] } : undefined;
}

const layers: Readonly<Record<string, Layer>> = {
  conv1d: layerOf((args) => convolution(args[1], args[6], false, 1)),
  conv2d: layerOf((args) => convolution(args[1], args[6], false, 2)),
  conv3d: layerOf((args) => convolution(args[1], args[6], false, 3)),
  conv_transpose1d: layerOf((args) => convolution(args[1], args[6], true, 1)),
  conv_transpose2d: layerOf((args) => convolution(args[1], args[6], true, 2)),
  conv_transpose3d: layerOf((args) => convolution(args[1], args[6], true, 3)),
  _convolution: layerOf((args) => convolution(args[1], args[8], args[6] === true)),
  _convolution_mode: layerOf((args) => convolution(args[1], args[6], false)),
  linear: layerOf((args) => features(args[1], 1)),
  matmul: layerOf((args) => features(args[1], 0)),
  mm: layerOf((args) => features(args[1], 0)),
  addmm: (args) => {
    const needs = features(args[2], 0);
    return needs === undefined ? undefined : [args[1], needs];
  },
  embedding: (args) => (args[0] instanceof AtenTensor ? [args[1], { elementType: INT64, shape: ['batch', 'sequence'] }] : undefined),
  lstm: layerOf((args) => recurrent(args[2], args[8])),
  gru: layerOf((args) => recurrent(args[2], args[8])),
  rnn_tanh: layerOf((args) => recurrent(args[2], args[8])),
  rnn_relu: layerOf((args) => recurrent(args[2], args[8])),
  layer_norm: layerOf((args) => {
    const sizes = args[1];
    return Array.isArray(sizes) && sizes.length === 1 && typeof sizes[0] === 'bigint' ? { elementType: floatOf(args[2]), shape: ['batch', 'sequence', Number(sizes[0])] } : undefined;
  }),
};
