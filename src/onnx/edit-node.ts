/** Nodes with other attributes and inputs. */
import { AttributeType, type AttributeProto, type NodeProto } from './model-proto.ts';

/** Without the named attributes. */
export function withoutAttributes(node: NodeProto, ...names: string[]): NodeProto {
  return { ...node, attribute: node.attribute.filter((attribute) => !names.includes(attribute.name ?? '')) };
}

export function integerAttribute(name: string, value: number): AttributeProto {
  return { name, type: AttributeType.INT, i: BigInt(value) };
}

export function textAttribute(name: string, value: string): AttributeProto {
  return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
}

export function withAttributes(node: NodeProto, ...attributes: AttributeProto[]): NodeProto {
  return { ...node, attribute: [...node.attribute, ...attributes] };
}

/** With the input at its place; those before it that are not there are left out. */
export function withInput(node: NodeProto, index: number, name: string): NodeProto {
  const input = [...node.input];
  while (input.length <= index) input.push('');
  input[index] = name;
  return { ...node, input };
}
