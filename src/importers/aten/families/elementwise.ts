/** Arithmetic, comparisons, logic, casts and choices, element by element. */
import { ElementType } from '../../../onnx/data-type.ts';
import type { GraphBuilder, Value } from '../../../onnx/graph-builder.ts';
import { isFloat } from '../../../onnx/operators/arithmetic.ts';
import { scalarValue } from '../arguments.ts';
import type { Lowering, LoweringContext, Lowerings } from '../lowering.ts';
import { isIntegral } from '../promotion.ts';
import { AtenTensor, type AtenScalar } from '../value.ts';

const { BOOL, FLOAT, INT32, INT64, UINT8, INT8, INT16 } = ElementType;

type Operand = AtenTensor | AtenScalar;

/** The runtime computes with small integers only in 32 bits; casting back wraps around as PyTorch does. */
export function computingType(elementType: number): number {
  return elementType === UINT8 || elementType === INT8 || elementType === INT16 ? INT32 : elementType;
}

/** Integers become floats of the default type. */
export function floatingType(elementType: number): number {
  return isFloat(elementType) ? elementType : FLOAT;
}

/** Both operands in the type that they promote to; the result in it as well. */
export function promoted(context: LoweringContext, operands: readonly Operand[], compute: (values: Value[], type: number) => Value, toType: (type: number) => number = (type) => type): Value {
  const type = toType(context.promote(operands));
  const wide = computingType(type);
  return context.cast(compute(operands.map((operand) => context.operand(operand, wide)), wide), type);
}

function binary(compute: (graph: GraphBuilder, a: Value, b: Value, type: number) => Value, toType?: (type: number) => number): Lowering {
  return (context, given) => promoted(context, [given.operand('self'), given.operand('other')], ([a, b], type) => compute(context.graph, a!, b!, type), toType);
}

/** `other * alpha`, where alpha is not 1. */
function scaled(context: LoweringContext, alpha: AtenScalar, value: Value): Value {
  if (Number(typeof alpha === 'object' ? Number.NaN : alpha) === 1) return value;
  return context.graph.op.mul(value, context.operand(alpha, value.elementType));
}

const sum =
  (sign: 1 | -1, isReversed = false): Lowering =>
  (context, given) => {
    const operands: Operand[] = [given.operand('self'), given.operand('other')];
    const alpha = given.has('alpha') ? given.scalar('alpha') : 1n;
    return promoted(context, operands, ([a, b], type) => {
      if (type === BOOL) {
        if (sign === -1) throw context.refuse('it subtracts truth values');
        return typeof alpha !== 'object' && Number(alpha) === 0 ? context.graph.op.or(a!, context.operand(false, BOOL)) : context.graph.op.or(a!, typeof alpha === 'object' ? context.graph.op.and(b!, context.operand(alpha, BOOL)) : b!);
      }
      const [first, second] = isReversed ? [b!, scaled(context, alpha, a!)] : [a!, scaled(context, alpha, b!)];
      return sign === 1 ? context.graph.op.add(first, second) : context.graph.op.sub(first, second);
    });
  };

/** The quotient rounded down, to the last bit as PyTorch has it: 1.0 // 0.1 is 9. */
function floorDivide(graph: GraphBuilder, a: Value, b: Value): Value {
  const { op } = graph;
  if (!isFloat(a.elementType)) return op.div(op.sub(a, op.mod(a, b)), b);
  const rest = op.mod(a, b);
  const quotient = op.div(op.sub(a, rest), b);
  const crosses = op.and(op.not(op.equal(rest, 0)), op.xor(op.less(b, 0), op.less(rest, 0)));
  const adjusted = op.where(crosses, op.sub(quotient, 1), quotient);
  const down = op.floor(adjusted);
  const rounded = op.where(op.greater(op.sub(adjusted, down), 0.5), op.add(down, 1), down);
  return op.where(op.equal(b, 0), op.div(a, b), rounded);
}

/** The rest with the sign of the divisor. */
function remainder(graph: GraphBuilder, a: Value, b: Value): Value {
  const { op } = graph;
  const rest = op.mod(a, b);
  if (!isFloat(a.elementType)) return rest;
  return op.where(op.and(op.not(op.equal(rest, 0)), op.xor(op.less(b, 0), op.less(rest, 0))), op.add(rest, b), rest);
}

/** Towards zero. */
export function truncate(graph: GraphBuilder, x: Value): Value {
  const { op } = graph;
  return isFloat(x.elementType) ? op.where(op.less(x, 0), op.ceil(x), op.floor(x)) : x;
}

const divide: Lowering = (context, given) => {
  const mode = given.has('rounding_mode') ? given.text('rounding_mode') : undefined;
  const operands = [given.operand('self'), given.operand('other')];
  if (mode === undefined) return promoted(context, operands, ([a, b]) => context.graph.op.div(a!, b!), floatingType);
  if (mode !== 'floor' && mode !== 'trunc') throw context.refuse(`the rounding mode ${mode} is not known`);
  return promoted(context, operands, ([a, b]) => (mode === 'floor' ? floorDivide(context.graph, a!, b!) : truncate(context.graph, context.graph.op.div(a!, b!))));
};

/** The rest with the sign of the dividend. */
function truncatedRest(graph: GraphBuilder, a: Value, b: Value): Value {
  return graph.node('Mod', [a, b], { fmod: 1 });
}

const power: Lowering = (context, given) => {
  const base = given.operand('self');
  const exponent = given.operand('exponent');
  return promoted(context, [base, exponent], ([x, y]) => {
    const { op } = context.graph;
    if (typeof exponent === 'bigint' || typeof exponent === 'number') {
      const known = Number(exponent);
      if (known === 1) return x!;
      if (known === 2) return op.mul(x!, x!);
      if (known === 3) return op.mul(op.mul(x!, x!), x!);
      if (known === 0.5) return op.sqrt(x!);
      if (known === -0.5) return op.reciprocal(op.sqrt(x!));
      if (known === -1 && isFloat(x!.elementType)) return op.reciprocal(x!);
      if (known < 0 && !isFloat(x!.elementType)) throw context.refuse('an integer is raised to a negative power');
    }
    return op.pow(x!, y!);
  });
};

function comparison(compute: (graph: GraphBuilder, a: Value, b: Value) => Value, truthToo = false): Lowering {
  return (context, given) => {
    const operands = [given.operand('self'), given.operand('other')];
    const type = computingType(context.promote(operands));
    const wide = type === BOOL && !truthToo ? INT32 : type;
    return compute(context.graph, context.operand(operands[0]!, wide), context.operand(operands[1]!, wide));
  };
}

function truth(context: LoweringContext, operand: Operand): Value {
  return context.operand(operand, BOOL);
}

function logic(compute: (graph: GraphBuilder, a: Value, b: Value) => Value): Lowering {
  return (context, given) => compute(context.graph, truth(context, given.operand('self')), truth(context, given.operand('other')));
}

function bitwise(logical: (graph: GraphBuilder, a: Value, b: Value) => Value, bits: (graph: GraphBuilder, a: Value, b: Value) => Value): Lowering {
  return (context, given) => {
    const operands = [given.operand('self'), given.operand('other')];
    const type = context.promote(operands);
    if (type !== BOOL && !isIntegral(type)) throw context.refuse('it takes the bits of floats');
    const [a, b] = operands.map((operand) => context.operand(operand, type));
    return type === BOOL ? logical(context.graph, a!, b!) : bits(context.graph, a!, b!);
  };
}

/** Shifts of signed integers are products and quotients of powers of two. */
const shift =
  (direction: 'left' | 'right'): Lowering =>
  (context, given) => {
    const by = given.operand('other');
    const known = by instanceof AtenTensor ? context.read(by).constant?.data[0] : by;
    if (typeof known === 'object' || known === undefined || (by instanceof AtenTensor && by.rank !== 0)) throw context.refuse('it shifts by a number of bits that depends on the input');
    const bits = Number(known);
    if (!(bits >= 0 && bits <= 62)) throw context.refuse(`it shifts by ${bits} bits`);
    const self = given.tensor('self');
    if (!isIntegral(self.elementType)) throw context.refuse('it shifts something else than integers');
    return promoted(context, [self, by], ([a]) => {
      const factor = context.operand(2n ** BigInt(bits), a!.elementType);
      return direction === 'left' ? context.graph.op.mul(a!, factor) : floorDivide(context.graph, a!, factor);
    });
  };

/** `where` for every type, as the runtime has no kernel for some. */
export function choose(context: LoweringContext, condition: Value, yes: Value, no: Value): Value {
  const { op } = context.graph;
  if (yes.elementType === BOOL) return op.or(op.and(condition, yes), op.and(op.not(condition), no));
  const wide = computingType(yes.elementType);
  return context.cast(op.where(condition, context.cast(yes, wide), context.cast(no, wide)), yes.elementType);
}

const where: Lowering = (context, given) => {
  const operands = [given.operand('self'), given.operand('other')];
  const type = context.promote(operands);
  return choose(context, context.cast(given.value('condition'), BOOL), context.operand(operands[0]!, type), context.operand(operands[1]!, type));
};

const maskedFill: Lowering = (context, given) => {
  const self = given.tensor('self');
  return choose(context, context.cast(given.value('mask'), BOOL), context.operand(given.operand('value'), self.elementType), context.read(self));
};

const clamp: Lowering = (context, given) => {
  const self = given.tensor('self');
  const least = given.has('min') ? given.operand('min') : undefined;
  const most = given.has('max') ? given.operand('max') : undefined;
  const type = context.promote([self, least, most].filter((operand) => operand !== undefined));
  const wide = computingType(type);
  const { op } = context.graph;
  let x = context.operand(self, wide);
  const isPlain = (operand: Operand | undefined): boolean => operand === undefined || !(operand instanceof AtenTensor);
  if (isPlain(least) && isPlain(most)) {
    x = op.clip(x, least === undefined ? undefined : context.operand(least, wide), most === undefined ? undefined : context.operand(most, wide));
  } else {
    if (least !== undefined) x = op.max(x, context.operand(least, wide));
    if (most !== undefined) x = op.min(x, context.operand(most, wide));
  }
  return context.cast(x, type);
};

const oneSided =
  (side: 'min' | 'max'): Lowering =>
  (context, given) =>
    context.call(given.any(side) instanceof AtenTensor ? 'aten::clamp.Tensor' : 'aten::clamp', { self: given.any('self'), [side]: given.any(side) });

const extreme = (operator: 'max' | 'min'): Lowering =>
  binary((graph, a, b, type) => (type === BOOL ? (operator === 'max' ? graph.op.or(a, b) : graph.op.and(a, b)) : graph.op[operator](a, b)));

const lerp: Lowering = (context, given) => {
  const weight = given.operand('weight');
  const operands = [given.operand('self'), given.operand('end')];
  return promoted(context, operands, ([a, b], type) => {
    const { op } = context.graph;
    const w = context.operand(weight, type);
    const difference = op.sub(b!, a!);
    const near = op.add(a!, op.mul(w, difference));
    const far = op.sub(b!, op.mul(difference, op.sub(1, w)));
    if (typeof weight === 'number' || typeof weight === 'bigint') return Math.abs(Number(weight)) < 0.5 ? near : far;
    return op.where(op.less(op.abs(w), 0.5), near, far);
  });
};

const addProduct =
  (isQuotient: boolean): Lowering =>
  (context, given) =>
    promoted(context, [given.operand('self'), given.operand('tensor1'), given.operand('tensor2')], ([x, a, b], type) => {
      if (isQuotient && !isFloat(type)) throw context.refuse('it divides integers');
      const part = isQuotient ? context.graph.op.div(a!, b!) : context.graph.op.mul(a!, b!);
      return context.graph.op.add(x!, scaled(context, given.has('value') ? given.scalar('value') : 1n, part));
    });

/** The same tensor where nothing changes: PyTorch gives an alias. */
const convert: Lowering = (context, given) => {
  const self = given.tensor('self');
  const other = given.any('other');
  const type = other instanceof AtenTensor ? other.elementType : (given.elementType() ?? self.elementType);
  const copies = given.has('copy') && given.boolean('copy');
  if (type !== self.elementType) return context.cast(context.read(self), type);
  if (copies) return context.tensor(context.read(self));
  // Another memory format or device makes a copy, but only where it is another.
  const format = given.any('memory_format');
  return format === null || format === 1n ? self : context.perhapsView(self, context.read(self));
};

const copyInto: Lowering = (context, given) => {
  const self = given.tensor('self');
  context.write(self, given.value('src'));
  return self;
};

const fillInto: Lowering = (context, given) => {
  const self = given.tensor('self');
  const value = context.operand(given.operand('value'), self.elementType);
  context.write(self, filledLike(context, self, value));
  return self;
};

/** A scalar in the shape of a tensor. */
export function filledLike(context: LoweringContext, like: AtenTensor, value: Value): Value {
  const { op } = context.graph;
  const { shape } = like;
  if (value.shape?.length !== 0 && value.shape?.every((size) => size === 1) !== true) throw context.refuse('it fills with a tensor of several elements');
  const single = value.shape.length === 0 ? value : op.reshape(value, []);
  if (shape?.every((size) => typeof size === 'number') === true) return op.expand(single, shape);
  return op.expand(single, op.shapeOf(context.read(like)));
}

export const elementwise: Lowerings = {
  'add.Tensor': sum(1),
  'add.Scalar': sum(1),
  'sub.Tensor': sum(-1),
  'sub.Scalar': sum(-1),
  'rsub.Tensor': sum(-1, true),
  'rsub.Scalar': sum(-1, true),
  'subtract.Tensor': sum(-1),
  'subtract.Scalar': sum(-1),
  'mul.Tensor': binary((graph, a, b, type) => (type === BOOL ? graph.op.and(a, b) : graph.op.mul(a, b))),
  'mul.Scalar': binary((graph, a, b, type) => (type === BOOL ? graph.op.and(a, b) : graph.op.mul(a, b))),
  'multiply.Tensor': binary((graph, a, b, type) => (type === BOOL ? graph.op.and(a, b) : graph.op.mul(a, b))),
  'div.Tensor': divide,
  'div.Scalar': divide,
  'div.Tensor_mode': divide,
  'div.Scalar_mode': divide,
  'divide.Tensor': divide,
  'true_divide.Tensor': divide,
  'floor_divide': binary((graph, a, b) => floorDivide(graph, a, b)),
  'remainder.Tensor': binary(remainder),
  'remainder.Scalar': binary(remainder),
  'remainder.Scalar_Tensor': binary(remainder),
  'fmod.Tensor': binary(truncatedRest),
  'fmod.Scalar': binary(truncatedRest),
  'pow.Tensor_Scalar': power,
  'pow.Tensor_Tensor': power,
  'pow.Scalar': power,
  'float_power.Tensor_Scalar': (context, given) => context.call('aten::pow.Tensor_Scalar', { self: context.tensor(context.cast(given.value('self'), ElementType.DOUBLE)), exponent: given.any('exponent') }),
  'square': ({ graph }, given) => graph.op.mul(given.value('self'), given.value('self')),
  'maximum': extreme('max'),
  'minimum': extreme('min'),
  'max.other': extreme('max'),
  'min.other': extreme('min'),
  'eq.Tensor': comparison((graph, a, b) => graph.op.equal(a, b), true),
  'eq.Scalar': comparison((graph, a, b) => graph.op.equal(a, b), true),
  'ne.Tensor': comparison((graph, a, b) => graph.op.not(graph.op.equal(a, b)), true),
  'ne.Scalar': comparison((graph, a, b) => graph.op.not(graph.op.equal(a, b)), true),
  'lt.Tensor': comparison((graph, a, b) => graph.op.less(a, b)),
  'lt.Scalar': comparison((graph, a, b) => graph.op.less(a, b)),
  'le.Tensor': comparison((graph, a, b) => graph.op.lessOrEqual(a, b)),
  'le.Scalar': comparison((graph, a, b) => graph.op.lessOrEqual(a, b)),
  'gt.Tensor': comparison((graph, a, b) => graph.op.greater(a, b)),
  'gt.Scalar': comparison((graph, a, b) => graph.op.greater(a, b)),
  'ge.Tensor': comparison((graph, a, b) => graph.op.greaterOrEqual(a, b)),
  'ge.Scalar': comparison((graph, a, b) => graph.op.greaterOrEqual(a, b)),
  'logical_and': logic((graph, a, b) => graph.op.and(a, b)),
  'logical_or': logic((graph, a, b) => graph.op.or(a, b)),
  'logical_xor': logic((graph, a, b) => graph.op.xor(a, b)),
  'logical_not': (context, given) => context.graph.op.not(truth(context, given.tensor('self'))),
  ...both('and', bitwise((graph, a, b) => graph.op.and(a, b), (graph, a, b) => graph.op.bitwiseAnd(a, b))),
  ...both('or', bitwise((graph, a, b) => graph.op.or(a, b), (graph, a, b) => graph.op.bitwiseOr(a, b))),
  ...both('xor', bitwise((graph, a, b) => graph.op.xor(a, b), (graph, a, b) => graph.op.bitwiseXor(a, b))),
  'bitwise_not': ({ graph }, given) => (given.tensor('self').elementType === BOOL ? graph.op.not(given.value('self')) : graph.op.bitwiseNot(given.value('self'))),
  '__lshift__': shift('left'),
  '__rshift__': shift('right'),
  'bitwise_left_shift': shift('left'),
  'bitwise_right_shift': shift('right'),
  'where.self': where,
  'where.ScalarSelf': where,
  'where.ScalarOther': where,
  'where.Scalar': where,
  'masked_fill': maskedFill,
  'clamp': clamp,
  'clip': clamp,
  'clamp_min': oneSided('min'),
  'clamp_max': oneSided('max'),
  'lerp': lerp,
  'addcmul': addProduct(false),
  'addcdiv': addProduct(true),
  'to': convert,
  'type_as': convert,
  '_to_copy': (context, given) => context.tensor(context.cast(given.value('self'), given.elementType() ?? given.tensor('self').elementType)),
  '_cast_Float': (context, given) => context.cast(given.value('self'), FLOAT),
  '_cast_Long': (context, given) => context.cast(given.value('self'), INT64),
  'copy_': copyInto,
  'copy': (context, given) => filledOrShaped(context, given.tensor('self'), given.value('src')),
  'fill_': fillInto,
  'fill': (context, given) => filledLike(context, given.tensor('self'), context.operand(given.operand('value'), given.tensor('self').elementType)),
  'zero_': (context, given) => {
    const self = given.tensor('self');
    context.write(self, filledLike(context, self, context.operand(0n, self.elementType)));
    return self;
  },
  'scalar_tensor': (context, given) => context.tensor(context.cast(scalarValue(context, given.scalar('s')), given.elementType() ?? FLOAT)),
};

function filledOrShaped(context: LoweringContext, like: AtenTensor, source: Value): Value {
  const cast = context.cast(source, like.elementType);
  return context.graph.op.expand(cast, context.graph.op.shapeOf(context.read(like)));
}

function both(name: string, lowering: Lowering): Lowerings {
  return Object.fromEntries([`bitwise_${name}.Tensor`, `bitwise_${name}.Scalar`, `bitwise_${name}.Scalar_Tensor`, `__${name}__.Tensor`, `__${name}__.Scalar`, `__i${name}__.Tensor`, `__i${name}__.Scalar`].map((key) => [key, key.startsWith('__i') ? written(lowering) : lowering]));
}

/** `__iand__` writes its first argument. */
function written(lowering: Lowering): Lowering {
  return (context, given, schema) => {
    const self = given.tensor('self');
    context.write(self, lowering(context, given, schema) as Value);
    return self;
  };
}
