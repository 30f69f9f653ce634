/** Element by element: arithmetic, comparisons, functions, casts, choices. */
import { ElementType } from '../data-type.ts';
import type { GraphBuilder, Value } from '../graph-builder.ts';
import { toValue, toValues, type Operand } from './operand.ts';

// A type annotation for each would say the same as its name: all of a kind have one signature.
const binaryOperators = { add: 'Add', sub: 'Sub', mul: 'Mul', div: 'Div', pow: 'Pow', equal: 'Equal', less: 'Less', lessOrEqual: 'LessOrEqual', greater: 'Greater', greaterOrEqual: 'GreaterOrEqual', and: 'And', or: 'Or', xor: 'Xor', bitwiseAnd: 'BitwiseAnd', bitwiseOr: 'BitwiseOr', bitwiseXor: 'BitwiseXor' } as const; // prettier-ignore
const variadicOperators = { max: 'Max', min: 'Min', sum: 'Sum', mean: 'Mean' } as const;
const unaryOperators = {
  identity: 'Identity', neg: 'Neg', abs: 'Abs', exp: 'Exp', log: 'Log', sqrt: 'Sqrt', reciprocal: 'Reciprocal', sign: 'Sign', floor: 'Floor', ceil: 'Ceil', round: 'Round',
  not: 'Not', bitwiseNot: 'BitwiseNot', erf: 'Erf', sin: 'Sin', cos: 'Cos', tan: 'Tan', asin: 'Asin', acos: 'Acos', atan: 'Atan', sinh: 'Sinh', cosh: 'Cosh', asinh: 'Asinh', acosh: 'Acosh', atanh: 'Atanh',
  tanh: 'Tanh', sigmoid: 'Sigmoid', relu: 'Relu', softplus: 'Softplus', softsign: 'Softsign', mish: 'Mish', hardSwish: 'HardSwish', isNaN: 'IsNaN',
} as const; // prettier-ignore

type Functions<Names extends object, F> = { readonly [Name in keyof Names]: F };

/** Numbers become constants of the other operand's type; shapes broadcast. */
export type BinaryFunctions = Functions<typeof binaryOperators, (a: Operand, b: Operand) => Value>;
export type VariadicFunctions = Functions<typeof variadicOperators, (...operands: Operand[]) => Value>;
export type UnaryFunctions = Functions<typeof unaryOperators, (x: Value) => Value>;

function functions<Names extends Readonly<Record<string, string>>, F>(names: Names, make: (operator: string) => F): Functions<Names, F> {
  return Object.fromEntries(Object.entries(names).map(([name, operator]) => [name, make(operator)])) as Functions<Names, F>;
}

export interface ArithmeticFunctions extends BinaryFunctions, VariadicFunctions, UnaryFunctions {
  /** Integers: the sign of the divisor. Floats: the sign of the dividend (`fmod`). */
  mod(a: Operand, b: Operand): Value;
  /** The rest with the sign of the divisor, floats included. */
  floorMod(a: Operand, b: Operand): Value;
  /** The same value where it has the type already. */
  cast(x: Value, elementType: number): Value;
  where(condition: Value, yes: Operand, no: Operand): Value;
  clip(x: Value, least?: Operand, most?: Operand): Value;
  leakyRelu(x: Value, alpha: number): Value;
  elu(x: Value, alpha?: number): Value;
  selu(x: Value): Value;
  gelu(x: Value, approximate?: 'none' | 'tanh'): Value;
  hardSigmoid(x: Value, alpha: number, beta: number): Value;
  isInf(x: Value): Value;
}

export function arithmetic(graph: GraphBuilder): ArithmeticFunctions {
  const self: ArithmeticFunctions = {
    ...functions(binaryOperators, (operator) => (a: Operand, b: Operand) => graph.node(operator, toValues(graph, [a, b]))),
    ...functions(variadicOperators, (operator) => (...operands: Operand[]) => graph.node(operator, toValues(graph, operands))),
    ...functions(unaryOperators, (operator) => (x: Value) => graph.node(operator, [x])),
    mod(a, b) {
      const values = toValues(graph, [a, b]);
      return graph.node('Mod', values, { fmod: isFloat(values[0]!.elementType) ? 1 : undefined });
    },
    floorMod(a, b) {
      const [left, right] = toValues(graph, [a, b]) as [Value, Value];
      if (!isFloat(left.elementType)) return graph.node('Mod', [left, right]);
      return self.sub(left, self.mul(self.floor(self.div(left, right)), right));
    },
    cast: (x, elementType) => (x.elementType === elementType ? x : graph.node('Cast', [x], { to: elementType })),
    where(condition, yes, no) {
      const [a, b] = toValues(graph, [yes, no]);
      return graph.node('Where', [condition, a, b]);
    },
    clip: (x, least, most) => graph.node('Clip', [x, least === undefined ? undefined : toValue(graph, least, x.elementType), most === undefined ? undefined : toValue(graph, most, x.elementType)]),
    leakyRelu: (x, alpha) => graph.node('LeakyRelu', [x], { alpha }),
    elu: (x, alpha = 1) => graph.node('Elu', [x], { alpha }),
    selu: (x) => graph.node('Selu', [x]),
    gelu(x, approximate = 'none') {
      if (graph.opset >= 20) return graph.node('Gelu', [x], { approximate });
      if (approximate === 'none') return self.mul(self.mul(x, 0.5), self.add(self.erf(self.mul(x, Math.SQRT1_2)), 1));
      const inner = self.mul(self.add(x, self.mul(self.mul(self.mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI));
      return self.mul(self.mul(x, 0.5), self.add(self.tanh(inner), 1));
    },
    hardSigmoid: (x, alpha, beta) => graph.node('HardSigmoid', [x], { alpha, beta }),
    isInf: (x) => graph.node('IsInf', [x]),
  };
  return self;
}

export function isFloat(elementType: number): boolean {
  return elementType === ElementType.FLOAT || elementType === ElementType.DOUBLE || elementType === ElementType.FLOAT16 || elementType === ElementType.BFLOAT16;
}
