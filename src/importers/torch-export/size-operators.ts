/** What exported programs compute with sizes and other numbers: Python's operators, and torch's on symbols. */
import { binaryScalar, unaryScalar, type BinaryScalarOperator, type UnaryScalarOperator } from '../aten/scalars.ts';
import type { LoweringContext } from '../aten/lowering.ts';
import { AtenTensor, GraphScalar, isScalar, type AtenScalar, type AtenValue } from '../aten/value.ts';

const binary: Readonly<Record<string, BinaryScalarOperator>> = {
  '_operator.add': 'add', '_operator.sub': 'sub', '_operator.mul': 'mul', '_operator.truediv': 'truediv', '_operator.floordiv': 'floordiv', '_operator.mod': 'mod', '_operator.pow': 'pow',
  '_operator.eq': 'eq', '_operator.ne': 'ne', '_operator.lt': 'lt', '_operator.le': 'le', '_operator.gt': 'gt', '_operator.ge': 'ge', '_operator.and_': 'and', '_operator.or_': 'or',
  '_operator.lshift': 'lshift', '_operator.rshift': 'rshift', 'torch.sym_max': 'max', 'torch.sym_min': 'min', 'builtins.max': 'max', 'builtins.min': 'min',
} as const; // prettier-ignore

const unary: Readonly<Record<string, UnaryScalarOperator>> = {
  '_operator.neg': 'neg', '_operator.pos': 'abs', 'torch.sym_not': 'not', 'torch.sym_float': 'float', 'torch.sym_int': 'int', 'math.trunc': 'trunc', '_operator.trunc': 'trunc', 'math.ceil': 'ceil', 'math.floor': 'floor',
  'builtins.round': 'round', 'torch._sym_sqrt': 'sqrt', 'torch.sym_sqrt': 'sqrt', 'math.sqrt': 'sqrt',
} as const; // prettier-ignore

/** Undefined where the operator is not covered. */
export function runSizeOperator(context: LoweringContext, target: string, values: readonly AtenValue[]): AtenValue | undefined {
  const [a, b, c] = values;
  const name = target.replace(/^torch\.fx\.experimental\.sym_node\./, 'torch.').replace(/^math\.(max|min)$/, 'builtins.$1');
  if (Object.hasOwn(binary, name) && isNumber(a) && isNumber(b)) return binaryScalar(context, binary[name]!, a, b);
  if (name === '_operator.pos' && isNumber(a)) return a;
  if (Object.hasOwn(unary, name) && isNumber(a)) return unaryScalar(context, unary[name]!, a);
  if (name === 'torch.sym_sum' && Array.isArray(a) && a.every(isScalar)) return a.reduce<AtenScalar>((sum, next) => binaryScalar(context, 'add', sum, next), 0n);
  if (name === 'torch.sym_ite' && isNumber(a) && isNumber(b) && isNumber(c)) {
    if (typeof a === 'boolean') return a ? b : c;
    return undefined;
  }
  if (name === '_operator.getitem' && Array.isArray(a) && typeof b === 'bigint') return a[Number(b)];
  return undefined;
}

function isNumber(value: AtenValue | undefined): value is AtenScalar {
  return value !== undefined && !(value instanceof AtenTensor) && (value instanceof GraphScalar || isScalar(value));
}
