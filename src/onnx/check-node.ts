/** Whether a node is what its operator's schema asks for. */
import type { KnownValue } from './inference/known-value.ts';
import { suggestName } from '../lib/suggest-name.ts';
import { AttributeType, type AttributeProto, type NodeProto } from './model-proto.ts';
import { operatorNames, operatorSchema, operatorVersions, type OperatorParameter, type OperatorSchema } from './operator-schema.ts';
import { nameOfType } from './value-type.ts';

export interface NodeSurroundings {
  /** Of the node's domain. */
  readonly opset: number;
  typeOf(name: string): KnownValue | undefined;
  report(what: string): void;
}

/** Attribute types by number, as messages name them. */
const typeNames = Object.fromEntries(Object.entries(AttributeType).map(([name, number]) => [number, name.toLowerCase()]));

export function checkNode(node: NodeProto, surroundings: NodeSurroundings): void {
  const { report, opset } = surroundings;
  const domain = node.domain ?? '';
  const name = node.opType ?? '';
  const schema = operatorSchema(domain, name, opset);
  if (schema === undefined) {
    const [first] = operatorVersions(domain, name);
    report(first === undefined ? `there is no such operator${suggestName(name, operatorNames(domain === 'ai.onnx' ? '' : domain))}` : `the operator exists since version ${first.sinceVersion}, the model imports ${opset}`);
    return;
  }
  if (schema.deprecated) report(`the operator is gone since version ${schema.sinceVersion}`);
  if (node.input.length < schema.leastInputs || node.input.length > schema.mostInputs) report(`it has ${node.input.length} inputs, not ${range(schema.leastInputs, schema.mostInputs)}`);
  if (node.output.length < schema.leastOutputs || node.output.length > schema.mostOutputs) report(`it has ${node.output.length} outputs, not ${range(schema.leastOutputs, schema.mostOutputs)}`);
  for (const [index, input] of node.input.entries()) {
    const parameter = parameterAt(schema.inputs, index);
    if (input === '' && parameter !== undefined && !parameter.optional && !parameter.variadic) report(`its input ${parameter.name} is left out`);
  }
  checkAttributes(node.attribute, schema, report);
  checkTypes(node, schema, surroundings);
}

function range(least: number, most: number): string {
  if (least === most) return String(least);
  return most > 2 ** 30 ? `at least ${least}` : `${least} to ${most}`;
}

/** The last parameter stands for all that follow where it is variadic. */
function parameterAt(parameters: readonly OperatorParameter[], index: number): OperatorParameter | undefined {
  return parameters[index] ?? (parameters.at(-1)?.variadic === true ? parameters.at(-1) : undefined);
}

function checkAttributes(attributes: readonly AttributeProto[], schema: OperatorSchema, report: (what: string) => void): void {
  for (const attribute of attributes) {
    const name = attribute.name ?? '';
    const expected = schema.attributes.get(name);
    if (expected === undefined) {
      // The standard lets anybody add attributes of their own whose names begin so.
      if (!name.startsWith('__')) report(`it has no attribute "${name}"${suggestName(name, [...schema.attributes.keys()])}`);
      continue;
    }
    const type = attribute.type ?? typeOfValue(attribute);
    if (type !== expected.type) report(`its attribute "${name}" is ${typeNames[type] ?? type}, not ${typeNames[expected.type]}`);
    else if ((attribute.refAttrName ?? '') === '' && !hasValue(attribute, type)) report(`its attribute "${name}" has no value`);
  }
  for (const [name, expected] of schema.attributes) {
    if (expected.required && !attributes.some((attribute) => attribute.name === name)) report(`its attribute "${name}" is missing`);
  }
}

/** Files of IR version 1 leave the type out. */
function typeOfValue(attribute: AttributeProto): number {
  for (const [type, field] of fields) if (attribute[field] !== undefined) return type;
  return AttributeType.UNDEFINED;
}

const fields = new Map<number, keyof AttributeProto>([
  [AttributeType.FLOAT, 'f'], [AttributeType.INT, 'i'], [AttributeType.STRING, 's'], [AttributeType.TENSOR, 't'], [AttributeType.GRAPH, 'g'], [AttributeType.FLOATS, 'floats'],
  [AttributeType.INTS, 'ints'], [AttributeType.STRINGS, 'strings'], [AttributeType.TENSORS, 'tensors'], [AttributeType.GRAPHS, 'graphs'],
  [AttributeType.SPARSE_TENSOR, 'sparseTensor'], [AttributeType.SPARSE_TENSORS, 'sparseTensors'], [AttributeType.TYPE_PROTO, 'tp'], [AttributeType.TYPE_PROTOS, 'typeProtos'],
]); // prettier-ignore

/** A list without elements, a zero and an empty text leave no trace in some files. */
function hasValue(attribute: AttributeProto, type: number): boolean {
  const needed = type === AttributeType.TENSOR || type === AttributeType.GRAPH || type === AttributeType.SPARSE_TENSOR || type === AttributeType.TYPE_PROTO;
  return !needed || attribute[fields.get(type)!] !== undefined;
}

function checkTypes(node: NodeProto, schema: OperatorSchema, { typeOf, report }: NodeSurroundings): void {
  const bound = new Map<string, string>();
  const check = (names: readonly string[], parameters: readonly OperatorParameter[], kind: string) => {
    for (const [index, name] of names.entries()) {
      const parameter = parameterAt(parameters, index);
      const type = name === '' ? undefined : typeOf(name)?.type;
      if (parameter === undefined || type === undefined) continue;
      // The table writes maps of tensors without saying that they are tensors.
      const written = nameOfType(type).replace(/(map\(\w+,)tensor\((\w+)\)/, '$1$2');
      if (/undefined|not declared|type 0/.test(written)) continue;
      if (!parameter.types.has(written)) {
        report(`its ${kind} "${name}" is ${written}, which ${parameter.name} cannot be`);
        continue;
      }
      if (parameter.variable === undefined || (parameter.variadic && !parameter.homogeneous)) continue;
      const other = bound.get(parameter.variable);
      if (other === undefined) bound.set(parameter.variable, written);
      else if (other !== written) report(`its ${kind} "${name}" is ${written}, where another of the same type is ${other}`);
    }
  };
  check(node.input, schema.inputs, 'input');
  check(node.output, schema.outputs, 'output');
}
