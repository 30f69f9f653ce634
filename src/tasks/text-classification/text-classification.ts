/** A text, or a pair of texts → its classes: sentiment, spam, topic. For models on tokens, and for models that take the text itself (imported from scikit-learn). */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import type { JsonSchema, Model, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { textOf, textTensor, type Tensor } from '../../tensor.ts';
import { classEvidence, classLabels } from '../classification/class-labels.ts';
import { evidentLabel, findClassOutputs } from '../classification/class-outputs.ts';
import { classCount, mayHoldScores } from '../classification/scores-output.ts';
import { largest, numbers, shortest, toProbabilities } from '../classification/scores.ts';
import { readCount, readTextFields } from '../request/read-fields.ts';
import { readHuggingFaceConfig } from '../text/hugging-face-config.ts';
import { findFloatOutput, openTextModel, withPredict } from '../text/text-model.ts';
import { hasTokenizer, mostTextUnits, prepareTokenizer } from '../text/text-tokenizer.ts';
import { readOptionalText, readText, textSchema, truncatedSchema } from '../text/text-value.ts';
import { findTokenInputs } from '../text/token-inputs.ts';

export const options = z.strictObject({
  output: z.string().min(1).optional().describe('The output that holds one score a class. Default: the evident one.'),
  topK: z.int().min(1).max(1000).optional().describe('How many classes an answer lists where the request does not say. Default: 5.'),
  labels: z.array(z.string()).min(1).optional().describe('Names of the classes. Default: those of config.json or of the output, or numbers.'),
  scores: z.enum(['softmax', 'sigmoid', 'none']).optional().describe('What makes probabilities of the scores: softmax (one class is right), sigmoid (several may be), none. Default: by problem_type of config.json, or by looking at the scores.'),
  maxTokens: z.int().min(3).max(1_000_000).optional().describe('Longer texts are cut. Default: as many tokens as the model takes.'),
});

export type Options = z.infer<typeof options>;

export const textClassification: Task<Options> = { name: 'text-classification', options, detect, prepare: prepareTokenizer, lift };

/** The only input, where it takes one text a row. */
function textInput({ signature }: Pick<TaskFacts, 'signature'>): TensorSpec | undefined {
  const inputs = signature.inputs.filter((input) => input.optional !== true);
  const input = inputs[0];
  if (inputs.length !== 1 || input?.datatype !== 'BYTES') return undefined;
  const [, ...rest] = input.shape;
  return input.shape.length >= 1 && input.shape.length <= 2 && rest.every((size) => size === 1) ? input : undefined;
}

function detect(facts: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const { signature, artifact } = facts;
  const input = textInput(facts);
  // A column with a name is one of a table.
  if (input !== undefined && input.labels === undefined) {
    const scores = signature.outputs.find(mayHoldScores);
    const label = evidentLabel(signature);
    const evidence = scores === undefined ? undefined : classEvidence(scores, artifact);
    if (label === undefined && evidence === undefined) return undefined;
    return { options: {}, reason: `input '${input.name}' is one text a row, and ${evidence ?? `output '${label!.name}' is its class`}` };
  }
  if (findTokenInputs(signature) === undefined || !hasTokenizer(artifact)) return undefined;
  const { architecture } = readHuggingFaceConfig(artifact);
  if (architecture?.endsWith('ForSequenceClassification') === true) return { options: {}, reason: `config.json says ${architecture}, and there is a tokenizer.json` };
  const output = signature.outputs[0];
  const evidence = architecture === undefined && output !== undefined && signature.outputs.length === 1 && output.shape.length === 2 ? classEvidence(output, artifact) : undefined;
  return evidence === undefined ? undefined : { options: {}, reason: `its inputs are tokens, and ${evidence}` };
}

interface Scored {
  readonly probabilities: Float64Array | undefined;
  /** Where the model says the class itself. */
  readonly label?: string;
  readonly truncated: boolean;
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'text-classification needs a model that takes tensors', { at: 'task' });
  const input = textInput(model);
  const { labels, score } = input === undefined ? fromTokens(model, given, facts) : fromText(model, given, facts, input);
  const topK = Math.min(given.topK ?? 5, Math.max(1, labels?.length ?? 1));
  const fields: [string, ...string[]] = input === undefined ? ['text', 'textPair', 'topK'] : ['text', 'topK'];

  async function classify(value: unknown, call: Call): Promise<unknown> {
    const request = readTextFields(value, fields);
    const text = readText(request, 'text');
    const pair = input === undefined ? readOptionalText(request, 'textPair') : undefined;
    const count = readCount(request, 'topK', topK, 1, Math.max(1, labels?.length ?? 1));
    const { probabilities, label, truncated } = await score(text, pair, call);
    const said = truncated ? { truncated } : {};
    if (probabilities === undefined || labels === undefined) return { label: label!, ...said };
    if (probabilities.length !== labels.length) throw new ModelportError('RUN_FAILED', `the model answered ${probabilities.length} scores, but there are ${labels.length} labels`);
    const best = largest(probabilities, count).map((place) => ({ label: labels[place]!, score: shortest(probabilities[place]!) }));
    const place = label === undefined ? -1 : labels.indexOf(label);
    return { label: label ?? best[0]!.label, score: place === -1 ? best[0]!.score : shortest(probabilities[place]!), labels: best, ...said };
  }

  return withPredict(
    model,
    {
      task: textClassification.name,
      input: inputSchema(input === undefined, topK, labels?.length ?? 1),
      output: outputSchema(labels),
      examples: readExamples(facts.examples, facts.directory ?? facts.artifact.directory),
    },
    classify,
  );
}

interface Scorer {
  readonly labels: readonly string[] | undefined;
  score(text: string, pair: string | undefined, call: Call): Promise<Scored>;
}

function fromTokens(model: Model, given: Options, facts: TaskFacts): Scorer {
  const text = openTextModel(model, facts, textClassification.name, given.maxTokens);
  const output = findFloatOutput(model, given.output, 2, ['logits', 'scores', 'probabilities'], 'one score a class');
  const config = readHuggingFaceConfig(facts.artifact);
  const width = output.shape[1];
  const labels = given.labels ?? config.labels ?? output.labels ?? (typeof width === 'number' && width > 0 ? Array.from({ length: width }, (_, index) => `LABEL_${index}`) : undefined);
  if (labels === undefined) throw new ModelportError('INVALID_CONFIG', `output '${output.name}' does not say how many classes there are: name them with task.labels`, { at: 'task.labels' });
  if (typeof width === 'number' && width > 0 && width !== labels.length) {
    throw new ModelportError('INVALID_CONFIG', `there are ${labels.length} labels, but output '${output.name}' has ${width} classes`, { at: 'task.labels' });
  }
  const several = config.problemType === 'multi_label_classification' || labels.length === 1;
  const means = given.scores ?? (config.problemType === 'regression' ? 'none' : several ? 'sigmoid' : 'softmax');
  return {
    labels,
    async score(first, pair, call) {
      const encoding = await text.tokenizer.encode(first, { truncationSide: text.tokenizer.truncationSide, ...(pair === undefined ? {} : { pair }), ...(text.maxTokens === undefined ? {} : { maxTokens: text.maxTokens }) }, call, 'text');
      const [row] = await text.run([encoding], [output], call);
      return { probabilities: toScores(row!.get(output.name)!.data, means), truncated: encoding.truncated };
    },
  };
}

function toScores(scores: Float64Array, means: 'softmax' | 'sigmoid' | 'none'): Float64Array {
  const odd = scores.find((score) => !Number.isFinite(score));
  if (odd !== undefined) throw new ModelportError('RUN_FAILED', `the model answered a score that is ${odd}: its weights are damaged`);
  if (means === 'none') return scores;
  return means === 'softmax' && scores.length > 1 ? toProbabilities(scores, true) : scores.map((score) => 1 / (1 + Math.exp(-score)));
}

function fromText(model: Model, given: Options, facts: TaskFacts, input: TensorSpec): Scorer {
  const { scores, label } = findClassOutputs(model.signature, given.output, undefined, facts.artifact);
  const labels = classLabels(given.labels, scores ?? label, facts.artifact, scores === undefined ? undefined : classCount(scores)) ?? label?.labels;
  const outputs = [scores, label].flatMap((output) => (output === undefined ? [] : [output.name]));
  const shape = input.shape.map(() => 1);
  return {
    labels: scores === undefined ? undefined : labels,
    async score(text, _, call) {
      if (text.length > mostTextUnits) throw new ModelportError('BODY_TOO_LARGE', `text has ${text.length} characters, more than the ${mostTextUnits} that are read: send a part of it`, { at: 'text' });
      const response = await model.infer!({ inputs: new Map<string, Tensor>([[input.name, textTensor(shape, [text])]]), outputs }, call);
      const found = label === undefined ? undefined : classOf(response.outputs.get(label.name)!, labels);
      const tensor = scores === undefined ? undefined : response.outputs.get(scores.name)!;
      const values = tensor === undefined ? undefined : numbers(tensor, 0, tensor.data.length);
      const probabilities = values === undefined ? undefined : given.scores === undefined ? toProbabilities(values, 'auto') : toScores(values, given.scores);
      return { probabilities, ...(found === undefined ? {} : { label: found }), truncated: false };
    },
  };
}

/** A class by name, or by number where the labels say the names. */
function classOf(tensor: Tensor, labels: readonly string[] | undefined): string {
  if (tensor.datatype === 'BYTES') return textOf(tensor)[0]!;
  const place = Number(tensor.data[0]);
  const numbered = labels?.includes(String(place)) === true;
  return numbered ? String(place) : (labels?.[place] ?? String(place));
}

function inputSchema(pairs: boolean, topK: number, classes: number): JsonSchema {
  return {
    type: 'object',
    properties: {
      text: textSchema('Text', 'The text to classify.'),
      ...(pairs ? { textPair: { ...textSchema('Second text', 'For models that judge two texts together: the second one.'), 'x-modelport': { widget: 'textarea', advanced: true } } } : {}),
      ...(classes > 1 ? { topK: { type: 'integer', title: 'Classes to list', minimum: 1, maximum: classes, default: topK, 'x-modelport': { advanced: true } } } : {}),
    },
    required: ['text'],
    additionalProperties: false,
  };
}

function outputSchema(labels: readonly string[] | undefined): JsonSchema {
  const label = { type: 'string', ...(labels !== undefined && labels.length <= 100 ? { enum: [...new Set(labels)] } : {}) };
  if (labels === undefined) return { type: 'object', properties: { label: { ...label, description: 'The class.' } }, required: ['label'] };
  const score = { type: 'number' };
  return {
    type: 'object',
    properties: {
      label: { ...label, description: 'The most probable class.' },
      score: { ...score, description: 'Its probability.' },
      labels: {
        type: 'array',
        description: 'The most probable classes, the best first.',
        items: { type: 'object', properties: { label, score }, required: ['label', 'score'], additionalProperties: false },
        'x-modelport': { widget: 'labels' },
      },
      truncated: truncatedSchema,
    },
    required: ['label', 'score', 'labels'],
    additionalProperties: false,
  };
}
