/** What an ONNX file is, told from the file alone: nothing is executed and no weight is read. */
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Artifact } from '../artifact.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import { isMachineLearning } from './class-labels.ts';
import { externalFiles, type ExternalFile } from './external-data.ts';
import { inferSignature, type InferredSignature } from './infer-signature.ts';
import type { ModelProto } from './model-proto.ts';
import { readModelFile } from './read-model.ts';
import { tensorElementCount } from './tensor-size.ts';
import { countUnfoldedNodes } from './unfold-functions.ts';
import { graphsOf, nodesOf, tensorsOf } from './walk.ts';

export interface OperatorCount {
  /** '' for the standard domain. */
  readonly domain: string;
  readonly operator: string;
  readonly count: number;
}

export interface OnnxFacts extends InferredSignature {
  readonly irVersion: number;
  /** Version by domain; '' is the standard domain. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: { readonly name: string; readonly version: string };
  /** The graph's name. */
  readonly graphName: string;
  readonly description: string;
  readonly modelVersion: string;
  /** Most frequent first; subgraphs and functions included. */
  readonly operators: readonly OperatorCount[];
  readonly nodeCount: number;
  /** See `Artifact.longWork`. */
  readonly longWork?: string;
  /** Numbers in initializers, constants and the models of ai.onnx.ml. */
  readonly parameterCount: number;
  /** Of the file and of the files that its weights lie in. */
  readonly sizeBytes: number;
  readonly externalFiles: readonly ExternalFile[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** ONNX Runtime takes more than 100 ms to prepare so many, however small the file is. */
const manyNodes = 3000;

/** Throws `INVALID_MODEL`. */
export function readOnnxFacts(artifact: Pick<Artifact, 'directory' | 'main'>): OnnxFacts {
  const path = join(artifact.directory, artifact.main);
  return onnxFacts(readModelFile(path), path);
}

/** The facts of a model that was read from `path`, which errors name. */
export function onnxFacts(model: ModelProto, path: string): OnnxFacts {
  try {
    return factsOf(model, path);
  } catch (error) {
    if (!isModelportError(error)) throw error;
    throw new ModelportError(error.code, `${path}: ${error.message}`, { cause: error, ...(error.at === undefined ? {} : { at: error.at }) });
  }
}

function factsOf(model: ModelProto, path: string): OnnxFacts {
  const inferred = inferSignature(model);
  const external = externalFiles(model, dirname(path));
  const unfoldedNodeCount = countUnfoldedNodes(model);
  const operators = new Map<string, OperatorCount>();
  let nodeCount = 0;
  let parameterCount = 0;
  for (const node of nodesOf(model)) {
    nodeCount++;
    const domain = standard(node.domain);
    const operator = node.opType ?? '';
    const key = `${domain}\0${operator}`;
    operators.set(key, { domain, operator, count: (operators.get(key)?.count ?? 0) + 1 });
    if (isMachineLearning(node)) for (const attribute of node.attribute) parameterCount += attribute.floats?.length ?? 0;
  }
  for (const tensor of tensorsOf(model)) parameterCount += tensorElementCount(tensor);
  return {
    ...inferred,
    warnings: [...inferred.warnings, ...oddities(model)],
    irVersion: model.irVersion ?? 0,
    opsets: Object.fromEntries(model.opsetImport.map((entry) => [standard(entry.domain), entry.version ?? 0])),
    producer: { name: model.producerName ?? '', version: model.producerVersion ?? '' },
    graphName: model.graph?.name ?? '',
    description: model.docString ?? '',
    modelVersion: String(model.modelVersion ?? ''),
    operators: [...operators.values()].sort((a, b) => b.count - a.count || a.operator.localeCompare(b.operator)),
    nodeCount,
    ...(operators.has('\0Loop') ? { longWork: 'it has loops' } : unfoldedNodeCount > manyNodes ? { longWork: `it has ${unfoldedNodeCount} nodes` } : {}),
    parameterCount,
    sizeBytes: statSync(path).size + external.reduce((total, file) => total + file.sizeBytes, 0),
    externalFiles: external,
    metadata: Object.fromEntries(model.metadataProps.map((entry) => [entry.key ?? '', entry.value ?? ''])),
  };
}

function standard(domain: string | undefined): string {
  return domain === undefined || domain === 'ai.onnx' ? '' : domain;
}

function oddities(model: ModelProto): string[] {
  const warnings: string[] = [];
  if (!model.opsetImport.some((entry) => standard(entry.domain) === '') && [...nodesOf(model)].some((node) => standard(node.domain) === '')) {
    warnings.push('it uses standard operators, but does not say of which operator set');
  }
  if ((model.trainingInfo ?? []).length > 0) warnings.push('it holds graphs for training, which serving leaves out');
  const unknown = [model, ...graphsOf(model), ...nodesOf(model)].filter((message) => message.unknownFields !== undefined).length;
  if (unknown > 0) warnings.push(`${unknown} part${unknown === 1 ? '' : 's'} of it ${unknown === 1 ? 'has' : 'have'} fields that this version of the format does not know`);
  return warnings;
}
