/** A text and any labels → how well each fits, by a model that was trained to tell whether one sentence follows from another. */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import type { Model } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { largest, shortest, toProbabilities } from '../classification/scores.ts';
import { readBoolean, readTextFields } from '../request/read-fields.ts';
import { readHuggingFaceConfig } from '../text/hugging-face-config.ts';
import { findFloatOutput, openTextModel, withPredict } from '../text/text-model.ts';
import { hasTokenizer, prepareTokenizer } from '../text/text-tokenizer.ts';
import { readText, readTexts, textSchema, truncatedSchema } from '../text/text-value.ts';
import { findTokenInputs } from '../text/token-inputs.ts';

export const options = z.strictObject({
  output: z.string().min(1).optional().describe('The output that holds the scores. Default: the evident one.'),
  labels: z.array(z.string()).min(2).optional().describe('Names of the classes of the model, one of them entailment. Default: those of config.json.'),
  hypothesisTemplate: z.string().includes('{}').optional().describe('The sentence that is tried with each label in place of {}. Default: This example is {}.'),
  maxTokens: z.int().min(8).max(1_000_000).optional().describe('Longer texts are cut. Default: as many tokens as the model takes.'),
});

export type Options = z.infer<typeof options>;

export const zeroShotClassification: Task<Options> = { name: 'zero-shot-classification', options, detect, prepare: prepareTokenizer, lift };

const mostLabels = 100;

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const { architecture, labels } = readHuggingFaceConfig(artifact);
  if (architecture?.endsWith('ForSequenceClassification') !== true || labels === undefined || findTokenInputs(signature) === undefined || !hasTokenizer(artifact)) return undefined;
  const entailment = entailmentOf(labels);
  if (entailment === -1) return undefined;
  return { options: {}, reason: `config.json says ${architecture} with a class '${labels[entailment]}', and there is a tokenizer.json` };
}

function entailmentOf(labels: readonly string[]): number {
  return labels.findIndex((label) => label.toLowerCase().startsWith('entail'));
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const text = openTextModel(model, facts, zeroShotClassification.name, given.maxTokens);
  const output = findFloatOutput(model, given.output, 2, ['logits'], 'one score a class');
  const classes = given.labels ?? readHuggingFaceConfig(facts.artifact).labels ?? [];
  const entailment = entailmentOf(classes);
  if (entailment === -1) throw new ModelportError('INVALID_CONFIG', 'zero-shot-classification needs a model with a class named entailment: name its classes with task.labels', { at: 'task.labels' });
  const contradiction = entailment === 0 ? classes.length - 1 : 0;
  const template = given.hypothesisTemplate ?? 'This example is {}.';

  async function classify(value: unknown, call: Call): Promise<unknown> {
    const request = readTextFields(value, ['text', 'labels', 'multiLabel', 'hypothesisTemplate']);
    const premise = readText(request, 'text');
    const labels = readLabels(request['labels']);
    const several = readBoolean(request, 'multiLabel', false) || labels.length === 1;
    const hypothesis = request['hypothesisTemplate'] === undefined || request['hypothesisTemplate'] === '' ? template : readText(request, 'hypothesisTemplate');
    if (!hypothesis.includes('{}')) throw new ModelportError('INVALID_VALUE', 'hypothesisTemplate has no {}, the place where the labels go', { at: 'hypothesisTemplate' });
    const limit = text.maxTokens === undefined ? {} : { maxTokens: text.maxTokens };
    const rows = await Promise.all(labels.map((label) => text.tokenizer.encode(premise, { pair: hypothesis.replace('{}', () => label), truncate: 'first', ...limit }, call, 'text')));
    const scored = (await text.run(rows, [output], call)).map((row) => row.get(output.name)!.data);
    const scores = several
      ? Float64Array.from(scored, (row) => toProbabilities(Float64Array.of(row[contradiction]!, row[entailment]!), true)[1]!)
      : toProbabilities(Float64Array.from(scored, (row) => row[entailment]!), true);
    const best = largest(scores, labels.length).map((place) => ({ label: labels[place]!, score: shortest(scores[place]!) }));
    return { label: best[0]!.label, score: best[0]!.score, labels: best, ...(rows.some(({ truncated }) => truncated) ? { truncated: true } : {}) };
  }

  const score = { type: 'number', minimum: 0, maximum: 1 };
  return withPredict(
    model,
    {
      task: zeroShotClassification.name,
      input: {
        type: 'object',
        properties: {
          text: textSchema('Text', 'The text to classify.'),
          labels: { type: 'array', title: 'Labels', items: { type: 'string', minLength: 1 }, minItems: 1, maxItems: mostLabels, description: 'What the text may be about; a list, or one text with commas.', 'x-modelport': { widget: 'tags' } },
          multiLabel: { type: 'boolean', title: 'Several may fit', default: false, description: 'Judge each label by itself, instead of all against each other.' },
          hypothesisTemplate: { type: 'string', title: 'Sentence', default: template, description: 'The sentence that is tried with each label in place of {}.', 'x-modelport': { advanced: true } },
        },
        required: ['text', 'labels'],
        additionalProperties: false,
      },
      output: {
        type: 'object',
        properties: {
          label: { type: 'string', description: 'The label that fits best.' },
          score: { ...score, description: 'Its probability.' },
          labels: { type: 'array', description: 'All labels, the best first.', items: { type: 'object', properties: { label: { type: 'string' }, score }, required: ['label', 'score'] }, 'x-modelport': { widget: 'labels' } },
          truncated: truncatedSchema,
        },
        required: ['label', 'score', 'labels'],
      },
      examples: readExamples(facts.examples, facts.directory ?? facts.artifact.directory),
    },
    classify,
  );
}

/** A list, or one text with commas. */
function readLabels(value: unknown): readonly string[] {
  const list = typeof value === 'string' ? value.split(',').flatMap((label) => (label.trim() === '' ? [] : [label.trim()])) : value;
  const { texts } = readTexts({ labels: list }, 'labels', mostLabels);
  const twice = texts.find((label, index) => texts.indexOf(label) !== index);
  if (twice !== undefined) throw new ModelportError('INVALID_VALUE', `labels has '${twice.slice(0, 80)}' twice`, { at: 'labels' });
  return texts;
}
