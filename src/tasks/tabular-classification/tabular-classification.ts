/** Rows of a table → the class of each. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import type { JsonSchema, Model, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { textOf, type Tensor } from '../../tensor.ts';
import { classEvidence, classLabels } from '../classification/class-labels.ts';
import { classCount, mayHoldScores } from '../classification/scores-output.ts';
import { largest, numbers, shortest, toProbabilities } from '../classification/scores.ts';
import { planTable, tableProblem } from '../table/columns.ts';
import { elementsPerRow, inferRows } from '../table/infer-rows.ts';
import { answerSchema, exampleRow, tableSchema } from '../table/table-schema.ts';
import { readRows } from '../table/table-value.ts';
import { evidentLabel, findClassOutputs } from '../classification/class-outputs.ts';
import { options, type Options } from './options.ts';

export const tabularClassification: Task<Options> = { name: 'tabular-classification', options, detect, lift };

/** A form with more fields helps nobody: such a matrix is more likely a picture or an embedding. */
const mostColumns = 200;

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  if (tableProblem(signature) !== undefined) return undefined;
  try {
    if (planTable(signature, undefined, tabularClassification.name).columns.length > mostColumns) return undefined;
    findClassOutputs(signature, undefined, undefined, artifact);
  } catch {
    return undefined;
  }
  const rows = signature.inputs.length === 1 ? `input '${signature.inputs[0]!.name}' is rows of a fixed number of columns` : 'each input is one column of a table';
  const scores = signature.outputs.find(mayHoldScores);
  const label = evidentLabel(signature);
  if (scores !== undefined && label !== undefined && /label|class/i.test(label.name)) return { options: {}, reason: `${rows}, and outputs '${label.name}' and '${scores.name}' are class and scores` };
  const evidence = scores?.labels === undefined ? undefined : classEvidence(scores, artifact);
  return evidence === undefined ? undefined : { options: {}, reason: `${rows}, and ${evidence}` };
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'tabular-classification needs a model that takes tensors', { at: 'task' });
  const { softmax = 'auto' } = given;
  const table = planTable(signature, given.features, tabularClassification.name);
  const { scores, label } = findClassOutputs(signature, given.output, given.labelOutput, facts.artifact);
  const labels = classLabels(given.labels, scores ?? label, facts.artifact, scores === undefined ? undefined : classCount(scores)) ?? label?.labels;
  if (scores !== undefined && labels === undefined) throw new ModelportError('INVALID_CONFIG', `output '${scores.name}' does not say how many classes there are: name them with task.labels`, { at: 'task.labels' });
  const outputs = [scores, label].flatMap((output) => (output === undefined ? [] : [output.name]));

  async function classify(value: unknown, call: Call): Promise<unknown> {
    const { rows, single } = readRows(value, table);
    const answers: unknown[] = [];
    for (const { count, response } of await inferRows(model, table, rows, outputs, call)) {
      const scoresTensor = scores === undefined ? undefined : response.outputs.get(scores.name)!;
      const classes = label === undefined ? undefined : readLabels(label, response.outputs.get(label.name)!, count, labels);
      for (let row = 0; row < count; row++) answers.push(answerOf(scores, scoresTensor, row, count, classes?.[row]));
    }
    return single ? answers[0] : answers;
  }

  function answerOf(output: TensorSpec | undefined, tensor: Tensor | undefined, row: number, count: number, found: string | undefined): unknown {
    if (output === undefined || tensor === undefined) return { label: found };
    const size = elementsPerRow(output.name, tensor, count);
    const scored = numbers(tensor, row * size, (row + 1) * size);
    const odd = scored.find((score) => !Number.isFinite(score));
    if (odd !== undefined) throw new ModelportError('INVALID_VALUE', `the model answers a score that is ${odd}: the row lies outside of what it can compute, or the model's weights are damaged`);
    const probabilities = toProbabilities(scored, softmax);
    if (probabilities.length !== labels!.length) throw new ModelportError('RUN_FAILED', `output '${output.name}' has ${probabilities.length} scores a row, but there are ${labels!.length} labels`);
    const place = found === undefined ? largest(probabilities, 1)[0]! : labels!.indexOf(found);
    return {
      label: found ?? labels![place]!,
      ...(place === -1 ? {} : { score: shortest(probabilities[place]!) }),
      probabilities: Object.fromEntries(labels!.map((name, index) => [name, shortest(probabilities[index]!)])),
    };
  }

  const middle = exampleRow(table);
  const examples = readExamples(facts.examples, facts.directory ?? facts.artifact.directory);
  return {
    signature: {
      ...signature,
      predict: {
        task: tabularClassification.name,
        input: tableSchema(table),
        output: answerSchema(classSchema(labels, scores !== undefined)),
        examples: examples.length > 0 || middle === undefined ? examples : [middle],
      },
    },
    infer: (request, call) => model.infer!(request, call),
    ...(model.stream === undefined ? {} : { stream: (request, call) => model.stream!(request, call) }),
    predict: classify,
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}

/** The class of each row by name: text as it is; a number that is itself a label, else the label at its place. */
function readLabels(output: TensorSpec, tensor: Tensor, count: number, labels: readonly string[] | undefined): string[] {
  elementsPerRow(output.name, tensor, count);
  if (tensor.datatype === 'BYTES') return textOf(tensor);
  return Array.from({ length: count }, (_, row) => {
    const element = tensor.data[row] as number | bigint;
    const name = String(element);
    return labels === undefined || labels.includes(name) ? name : (labels[Number(element)] ?? name);
  });
}

function classSchema(labels: readonly string[] | undefined, scored: boolean): JsonSchema {
  const listed = labels !== undefined && labels.length <= 100 ? labels : undefined;
  const label = { type: 'string', description: 'The most probable class.', ...(listed === undefined || !scored ? {} : { enum: listed }) };
  if (!scored) return { type: 'object', properties: { label }, required: ['label'], additionalProperties: false };
  const probability = { type: 'number', minimum: 0, maximum: 1 };
  return {
    type: 'object',
    properties: {
      label,
      score: { ...probability, description: 'Its probability.' },
      probabilities: {
        type: 'object',
        description: 'The probability of every class.',
        ...(listed === undefined ? { additionalProperties: probability } : { properties: Object.fromEntries(listed.map((name) => [name, probability])), required: listed, additionalProperties: false }),
        'x-modelport': { widget: 'labels' },
      },
    },
    required: ['label', 'probabilities'],
    additionalProperties: false,
  };
}
