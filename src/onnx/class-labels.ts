/**
 * Where a classifier keeps the names of its classes: in the attributes of ai.onnx.ml's classifiers, and in ZipMap, which
 * turns a matrix of probabilities into a list of dictionaries. https://github.com/onnx/onnx/blob/main/docs/Operators-ml.md
 */
import type { GraphProto, ModelProto, NodeProto } from './model-proto.ts';

/** A ZipMap at the end of a graph. */
export interface ZipMap {
  readonly node: NodeProto;
  /** The graph's output: a list of dictionaries. */
  readonly output: string;
  /** The matrix of probabilities, FP32 [rows, classes], that it is made from. */
  readonly source: string;
  readonly labels: readonly string[];
}

export function isMachineLearning(node: NodeProto): boolean {
  return node.domain === 'ai.onnx.ml';
}

/** The ZipMap nodes whose result is an output of the graph. */
export function zipMapsOf(graph: GraphProto): ZipMap[] {
  const outputs = new Set(graph.output.map((output) => output.name));
  const zipMaps: ZipMap[] = [];
  for (const node of graph.node) {
    const output = node.output[0];
    const source = node.input[0];
    if (node.opType !== 'ZipMap' || !isMachineLearning(node) || output === undefined || source === undefined || !outputs.has(output)) continue;
    const labels = labelsOf(node);
    if (labels.length > 0) zipMaps.push({ node, output, source, labels });
  }
  return zipMaps;
}

/** Nodes that keep the meaning of the last axis. */
const keepsClasses = new Set(['Identity', 'Cast', 'Normalizer', 'Softmax', 'Sigmoid', 'Clip', 'Reshape', 'ZipMap']);
const classifiers = new Set(['TreeEnsembleClassifier', 'LinearClassifier', 'SVMClassifier']);

/** The classes of the scores called `output`, where a classifier of ai.onnx.ml makes them; else undefined. */
export function classLabelsOf(graph: GraphProto, output: string): string[] | undefined {
  let name = output;
  const visited = new Set<string>();
  while (!visited.has(name)) {
    visited.add(name);
    const node = graph.node.find((candidate) => candidate.output.includes(name));
    if (node === undefined) return undefined;
    if (isMachineLearning(node) && classifiers.has(node.opType ?? '')) {
      const labels = labelsOf(node);
      return node.output[1] === name && labels.length > 0 ? labels : undefined;
    }
    if (!keepsClasses.has(node.opType ?? '') || node.input[0] === undefined) return undefined;
    name = node.input[0];
  }
  return undefined;
}

/** The key of `metadata_props` under which a model tells the names of an output's classes or of an input's columns, as a JSON list. */
export function outputLabelsKey(output: string): string {
  return `labels.${output}`;
}

/** The names that the file's metadata has for the classes of an output; undefined where it has none, or no list of texts. */
export function labelsFromMetadata(model: ModelProto, output: string): string[] | undefined {
  const text = model.metadataProps.find((entry) => entry.key === outputLabelsKey(output))?.value;
  if (text === undefined) return undefined;
  try {
    const labels: unknown = JSON.parse(text);
    return Array.isArray(labels) && labels.length > 0 && labels.every((label) => typeof label === 'string') ? labels : undefined;
  } catch {
    return undefined;
  }
}

const decoder = new TextDecoder();

function labelsOf(node: NodeProto): string[] {
  for (const attribute of node.attribute) {
    if (!/^classlabels_(strings|int64s|ints)$/.test(attribute.name ?? '')) continue;
    if (attribute.strings !== undefined && attribute.strings.length > 0) return attribute.strings.map((label) => decoder.decode(label));
    if (attribute.ints !== undefined && attribute.ints.length > 0) return Array.from(attribute.ints, String);
  }
  return [];
}
