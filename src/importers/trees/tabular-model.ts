/** The graph of a model of tables, one matrix in. */
import { outputLabelsKey } from '../../onnx/class-labels.ts';
import { constantTensor } from '../../onnx/constant-tensor.ts';
import { ElementType } from '../../onnx/data-type.ts';
import { GraphBuilder, type Value } from '../../onnx/graph-builder.ts';
import type { ModelProto } from '../../onnx/model-proto.ts';
import { version } from '../../version.ts';

/** Numbers, [rows, targets]. */
export interface NumberAnswer {
  readonly kind: 'numbers';
  readonly values: Value;
}

/** Probabilities, [rows, classes], and the place of the class that the library answers, int64 [rows]. */
export interface ClassAnswer {
  readonly kind: 'classes';
  readonly probabilities: Value;
  readonly place: Value;
  /** Texts, or whole numbers. */
  readonly labels: readonly (string | number)[];
}

/** Probabilities of labels that don't exclude each other, and which of them are given: int64 [rows, labels]. */
export interface LabelsAnswer {
  readonly kind: 'labels';
  readonly probabilities: Value;
  readonly given: Value;
  readonly labels: readonly (string | number)[];
}

export type Answer = NumberAnswer | ClassAnswer | LabelsAnswer;

export interface TabularModel {
  readonly producer: { readonly name: string; readonly version: string };
  /** One line of what was imported. */
  readonly description: string;
  /** FLOAT or DOUBLE: what the library takes rows in. */
  readonly elementType: number;
  readonly featureCount: number;
  readonly featureNames: readonly string[] | undefined;
  /** Of ai.onnx.ml, for the graph that `answer` adds to. */
  readonly machineLearningOpset: number;
  /** DOUBLE where the library adds up in float64 what it takes in float32. */
  readonly sumType?: number;
  /** What the answer is made of. `sumType`: to add up in another type than the library does. */
  answer(graph: GraphBuilder, rows: Value, sumType?: number): Answer;
}

/** The same model, calculating in float32. Splits stay where they are for every float32 number. */
export function inFloat32(model: TabularModel): TabularModel {
  return { ...model, elementType: ElementType.FLOAT, answer: (graph, rows) => model.answer(graph, rows, ElementType.FLOAT) };
}

/**
 * The model's input is `X` [batch, features]. One number a row is `prediction` [batch], several [batch, targets]; classes are `label` [batch] and
 * `probabilities` [batch, classes].
 */
export function buildTabularModel(model: TabularModel): ModelProto {
  const graph = new GraphBuilder({ opset: 21, machineLearningOpset: model.machineLearningOpset });
  const { featureNames } = model;
  const rows = graph.input('X', model.elementType, ['batch', model.featureCount]);
  const answer = model.answer(graph, rows);
  const metadata: Record<string, string> = {
    framework: model.producer.name,
    ...(model.producer.version === '' ? {} : { framework_version: model.producer.version }),
    estimator: model.description,
    ...(featureNames === undefined ? {} : { [outputLabelsKey('X')]: JSON.stringify(featureNames) }),
  };
  if (answer.kind === 'numbers') {
    const targets = answer.values.shape?.[1];
    const values = targets === 1 ? graph.op.squeeze(answer.values, 1) : answer.values;
    graph.output(graph.refine(values, { shape: targets === 1 ? ['batch'] : ['batch', targets ?? -1] }), 'prediction');
  } else {
    const names = answer.labels.map(String);
    metadata[outputLabelsKey('probabilities')] = JSON.stringify(names);
    const count = answer.labels.length;
    const texts = answer.labels.some((label) => typeof label === 'string');
    if (answer.kind === 'labels') {
      metadata[outputLabelsKey('label')] = JSON.stringify(names);
      graph.output(graph.refine(answer.given, { shape: ['batch', count] }), 'label');
    } else {
      const inOrder = answer.labels.every((label, index) => label === index);
      const label = inOrder ? answer.place : graph.op.gather(graph.constant(texts ? constantTensor(ElementType.STRING, names) : constantTensor(ElementType.INT64, answer.labels)), answer.place);
      graph.output(graph.refine(label, { shape: ['batch'] }), 'label');
    }
    graph.output(graph.refine(answer.probabilities, { shape: ['batch', count] }), 'probabilities');
  }
  return graph.build({ name: model.producer.name, producer: { name: 'modelport', version }, docString: `${model.description} (imported from ${model.producer.name} ${model.producer.version})`, metadata });
}

/** Two columns of one column p, [rows, 1]: 1 - p and p. The class is the second where p > 1/2. */
export function twoClasses(graph: GraphBuilder, second: Value, labels: readonly (string | number)[]): ClassAnswer {
  const { op } = graph;
  return {
    kind: 'classes',
    probabilities: op.concat([op.sub(1, second), second], 1),
    place: op.cast(op.greater(op.squeeze(second, 1), 0.5), ElementType.INT64),
    labels,
  };
}

/** Probabilities of classes by softmax of scores; the class is the first of the largest score. */
export function softmaxClasses(graph: GraphBuilder, scores: Value, labels: readonly (string | number)[]): ClassAnswer {
  return { kind: 'classes', probabilities: graph.op.softmax(scores, 1), place: graph.op.argMax(scores, 1), labels };
}
