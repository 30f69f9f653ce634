/**
 * Brings a model to a newer version of the standard operators: attributes that became inputs, defaults that changed, operators
 * that were replaced. What no rule here covers is refused by name. https://github.com/onnx/onnx/blob/main/docs/Changelog.md
 */
import { ModelportError } from '../errors.ts';
import { Attributes } from './attributes.ts';
import { constantTensor, scalar, toTensorProto, type ConstantTensor } from './constant-tensor.ts';
import { ElementType } from './data-type.ts';
import { inferModel, opsetsOf, type KnownValues } from './infer-shapes.ts';
import type { AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto } from './model-proto.ts';
import { operatorVersions } from './operator-schema.ts';
import { irVersions } from './operator-table.ts';
import { upgradeRules } from './upgrade-rules.ts';

/** What a rule may do. */
export interface UpgradeContext {
  readonly attributes: Attributes;
  readonly known: KnownValues;
  /** The version that the graph has before this step. */
  readonly from: number;
  /** The name of a new constant of the main graph. */
  constant(tensor: ConstantTensor): string;
  int64s(values: readonly number[]): string;
  scalar(elementType: number, value: number): string;
  newName(): string;
  elementType(name: string | undefined): number;
  rank(name: string | undefined): number | undefined;
  refuse(what: string): ModelportError;
}

/** The nodes that a node of version `to - 1` is in version `to`. */
export type UpgradeRule = (node: NodeProto, context: UpgradeContext) => readonly NodeProto[];

const oldestOpset = 7;

/** The same model where it has the version already, or a newer one. Throws `INVALID_MODEL` naming what cannot be brought over. */
export function upgradeOpset(model: ModelProto, opset: number): ModelProto {
  const current = opsetsOf(model).get('') ?? 1;
  if (current >= opset || model.graph === undefined) return model;
  if (current < oldestOpset) throw new ModelportError('INVALID_MODEL', `the model is of operator set ${current}; only ${oldestOpset} and later can be brought to ${opset}`, { at: 'opset_import' });
  if (model.functions.length > 0) throw new ModelportError('INVALID_MODEL', 'a model with functions of its own cannot be brought to another operator set', { at: 'functions' });
  let upgraded = model;
  for (let from = current; from < opset; from++) upgraded = step(upgraded, from);
  const irVersion = irVersions[Math.max(...Object.keys(irVersions).map(Number).filter((version) => version <= opset))]!;
  return { ...upgraded, irVersion: Math.max(model.irVersion ?? 0, irVersion) };
}

function step(model: ModelProto, from: number): ModelProto {
  const to = from + 1;
  const changed = (node: NodeProto) => isStandard(node) && upgradeRules.get(`${node.opType ?? ''}:${to}`);
  const withVersion: ModelProto = {
    ...model,
    opsetImport: model.opsetImport.some(isStandard) ? model.opsetImport.map((entry) => (isStandard(entry) ? { ...entry, version: to } : entry)) : [...model.opsetImport, { domain: '', version: to }],
  };
  const graphs = inferModel(model).graphs;
  const names = new Set<string>();
  collectNames(model.graph!, names);
  const added: TensorProto[] = [];
  const newName = () => {
    let number = names.size;
    while (names.has(`upgrade_${number}`)) number++;
    names.add(`upgrade_${number}`);
    return `upgrade_${number}`;
  };
  const constant = (tensor: ConstantTensor) => {
    const name = newName();
    added.push(toTensorProto(tensor, name));
    return name;
  };
  const upgradeGraph = (graph: GraphProto, outer: KnownValues): GraphProto => {
    const known: KnownValues = new Map([...outer, ...(graphs.get(graph) ?? [])]);
    const nodes = graph.node.flatMap((node): readonly NodeProto[] => {
      const inner = node.attribute.some((attribute) => attribute.g !== undefined) ? { ...node, attribute: node.attribute.map((attribute) => upgradeAttribute(attribute, known)) } : node;
      const rule = changed(inner);
      if (rule === undefined || rule === false) {
        refuseUnknownChange(inner, to);
        return [inner];
      }
      const type = (name: string | undefined) => {
        const value = known.get(name ?? '')?.type;
        return value?.kind === 'tensor' ? value : undefined;
      };
      return rule(inner, {
        attributes: new Attributes(inner),
        known,
        from,
        constant,
        newName,
        int64s: (values) => constant(constantTensor(ElementType.INT64, values)),
        scalar: (elementType, value) => constant(scalar(elementType, value)),
        elementType: (name) => type(name)?.elementType ?? 0,
        rank: (name) => type(name)?.shape?.length,
        refuse: (what) => refusal(inner, to, what),
      });
    });
    return { ...graph, node: nodes };
  };
  const upgradeAttribute = (attribute: AttributeProto, outer: KnownValues): AttributeProto => (attribute.g === undefined ? attribute : { ...attribute, g: upgradeGraph(attribute.g, outer) });
  const graph = upgradeGraph(model.graph!, new Map());
  return { ...withVersion, graph: { ...graph, initializer: [...graph.initializer, ...added] } };
}

/** Attributes, inputs and outputs of the new version that the node needs, or that it has and the new version lacks. */
function refuseUnknownChange(node: NodeProto, to: number): void {
  if (!isStandard(node)) return;
  const schema = operatorVersions('', node.opType ?? '').find((candidate) => candidate.sinceVersion === to);
  if (schema === undefined) return;
  if (schema.deprecated) throw refusal(node, to, 'it is gone');
  for (const attribute of node.attribute) {
    const expected = schema.attributes.get(attribute.name ?? '');
    if (expected === undefined || expected.type !== (attribute.type ?? expected.type)) throw refusal(node, to, `its attribute "${attribute.name ?? ''}" is no longer what it was`);
  }
  if (node.input.length < schema.leastInputs || node.input.length > schema.mostInputs) throw refusal(node, to, 'its inputs are no longer what they were');
}

function refusal(node: NodeProto, to: number, what: string): ModelportError {
  const at = (node.name ?? '') === '' ? `node for "${node.output[0] ?? ''}"` : `node "${node.name}"`;
  return new ModelportError('INVALID_MODEL', `${node.opType ?? ''} (${at}) cannot be brought to operator set ${to}: ${what}`, { at });
}

function isStandard(named: { readonly domain?: string }): boolean {
  return (named.domain ?? '') === '' || named.domain === 'ai.onnx';
}

function collectNames(graph: GraphProto, names: Set<string>): void {
  for (const value of [...graph.input, ...graph.output, ...graph.initializer]) names.add(value.name ?? '');
  for (const node of graph.node) {
    for (const name of [...node.input, ...node.output]) names.add(name);
    for (const attribute of node.attribute) if (attribute.g !== undefined) collectNames(attribute.g, names);
  }
}
