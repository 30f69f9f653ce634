/** A node as a rule of shape inference sees it: what is known of its inputs, its attributes, and how to say that it is wrong. */
import { ModelportError } from '../../errors.ts';
import { Attributes } from '../attributes.ts';
import type { Dimension, Shape } from '../dimension.ts';
import type { GraphProto, NodeProto } from '../model-proto.ts';
import type { TensorType, ValueType } from '../value-type.ts';
import type { KnownValue } from './known-value.ts';

/** What is known of a node's outputs, in order. Those that it leaves out are not known. */
export type Rule = (node: NodeContext) => readonly (KnownValue | undefined)[];

export type InferSubgraph = (graph: GraphProto, inputs: readonly (KnownValue | undefined)[]) => readonly (KnownValue | undefined)[];

export class NodeContext {
  readonly node: NodeProto;
  readonly opType: string;
  /** Version of the operator set of the node's domain. */
  readonly opset: number;
  readonly attributes: Attributes;
  readonly inputs: readonly (KnownValue | undefined)[];
  readonly #inferSubgraph: InferSubgraph;

  /** `inputs`: undefined where one is left out. */
  constructor(node: NodeProto, opset: number, inputs: readonly (KnownValue | undefined)[], inferSubgraph: InferSubgraph) {
    this.node = node;
    this.opType = node.opType ?? '';
    this.opset = opset;
    this.attributes = new Attributes(node);
    this.inputs = inputs;
    this.#inferSubgraph = inferSubgraph;
  }

  get outputCount(): number {
    return this.node.output.length;
  }

  /** Whether the input is given, known or not. */
  has(index: number): boolean {
    return (this.node.input[index] ?? '') !== '';
  }

  type(index: number): ValueType | undefined {
    return this.inputs[index]?.type;
  }

  tensor(index: number): TensorType | undefined {
    const type = this.type(index);
    return type?.kind === 'tensor' || type?.kind === 'sparse' ? type : undefined;
  }

  /** 0 where it is not known. */
  elementType(index: number): number {
    return this.tensor(index)?.elementType ?? 0;
  }

  shape(index: number): Shape | undefined {
    return this.tensor(index)?.shape;
  }

  rank(index: number): number | undefined {
    return this.shape(index)?.length;
  }

  /** The elements of an integer input, which may be names of sizes. */
  elements(index: number): readonly Dimension[] | undefined {
    return this.inputs[index]?.elements;
  }

  /** The elements of an integer input, if all are numbers. */
  integers(index: number): readonly number[] | undefined {
    const elements = this.elements(index);
    return elements?.every((element) => typeof element === 'number') === true ? elements : undefined;
  }

  /** The elements of an input that has them in the model, as numbers. */
  numbers(index: number): readonly number[] | undefined {
    const data = this.inputs[index]?.constant?.data;
    return data === undefined || Array.isArray(data) ? undefined : Array.from(data as ArrayLike<number | bigint>, Number);
  }

  /** What `axes` or another list says, which was an attribute once and is an input now. `missing`: neither is there. */
  integersOf(attribute: string, input: number): readonly number[] | 'missing' | undefined {
    if (this.attributes.isReference(attribute)) return undefined;
    const list = this.attributes.integers(attribute);
    if (list !== undefined) return list;
    return this.has(input) ? this.integers(input) : 'missing';
  }

  integer(name: string, fallback: number): number {
    return this.attributes.integer(name) ?? fallback;
  }

  /** An axis counted from the front. Throws where it is none. */
  axis(axis: number, rank: number): number {
    if (axis < -rank || axis >= rank) throw this.wrong(`the axis ${axis} of a value with ${rank} ${rank === 1 ? 'axis' : 'axes'}`);
    return axis < 0 ? axis + rank : axis;
  }

  subgraph(attribute: string, inputs: readonly (KnownValue | undefined)[]): readonly (KnownValue | undefined)[] {
    const graph = this.attributes.graph(attribute);
    return graph === undefined ? [] : this.#inferSubgraph(graph, inputs);
  }

  /** The error that says that the node cannot be: "Add \"sum\": …". */
  wrong(what: string): ModelportError {
    const name = this.node.name ?? '';
    return new ModelportError('INVALID_MODEL', `${this.opType}${name === '' ? ` for "${this.node.output[0] ?? ''}"` : ` "${name}"`}: ${what}`, {
      at: name === '' ? this.opType : `node "${name}"`,
    });
  }
}

export function describeShape(shape: Shape | undefined): string {
  return shape === undefined ? '[?]' : `[${shape.join(', ')}]`;
}
