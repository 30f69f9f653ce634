/** Numbers where values are wanted. */
import { constantTensor, scalar } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import type { GraphBuilder, Value } from '../graph-builder.ts';

/** A number stands for a constant of the element type that the operator's other inputs have. */
export type Operand = Value | number | bigint | boolean | string;

/** One size or position, or one that the graph computes: an int64 scalar. */
export type Index = number | Value;

export function isValue(operand: Operand | readonly Index[] | undefined): operand is Value {
  return typeof operand === 'object' && 'name' in operand;
}

/** Constants take the type of the first that is a value, float where none is. */
export function toValues(graph: GraphBuilder, operands: readonly Operand[]): Value[] {
  const elementType = operands.find(isValue)?.elementType ?? ElementType.FLOAT;
  return operands.map((operand) => (isValue(operand) ? operand : graph.constant(scalar(elementType, operand))));
}

export function toValue(graph: GraphBuilder, operand: Operand, elementType: number): Value {
  return isValue(operand) ? operand : graph.constant(scalar(elementType, operand));
}

/** An int64 list: a constant where all are numbers. */
export function toList(graph: GraphBuilder, list: readonly Index[] | Value): Value {
  if (!Array.isArray(list)) return list as Value;
  const indices = list as readonly Index[];
  if (indices.every((index) => typeof index === 'number')) return graph.constant(constantTensor(ElementType.INT64, indices));
  const parts = groupNumbers(indices).map((part) => (Array.isArray(part) ? graph.constant(constantTensor(ElementType.INT64, part)) : asList(graph, part)));
  return parts.length === 1 ? parts[0]! : graph.node('Concat', parts, { axis: 0 });
}

function groupNumbers(indices: readonly Index[]): (number[] | Value)[] {
  const parts: (number[] | Value)[] = [];
  for (const index of indices) {
    const last = parts.at(-1);
    if (typeof index !== 'number') parts.push(index);
    else if (Array.isArray(last)) last.push(index);
    else parts.push([index]);
  }
  return parts;
}

/** A scalar becomes a list of one. */
function asList(graph: GraphBuilder, value: Value): Value {
  const wide = value.elementType === ElementType.INT64 || value.elementType === 0 ? value : graph.node('Cast', [value], { to: ElementType.INT64 });
  return wide.shape?.length === 1 ? wide : graph.node('Reshape', [wide, graph.constant(constantTensor(ElementType.INT64, [1]))]);
}
