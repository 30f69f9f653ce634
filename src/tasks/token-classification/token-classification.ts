/** A text → the names and things in it, each with its kind and place: people, places, organizations. */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import type { JsonSchema, Model } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { shortest, toProbabilities } from '../classification/scores.ts';
import { readChoice, readTextFields } from '../request/read-fields.ts';
import { readHuggingFaceConfig } from '../text/hugging-face-config.ts';
import { findFloatOutput, openTextModel, withPredict } from '../text/text-model.ts';
import { hasTokenizer, prepareTokenizer } from '../text/text-tokenizer.ts';
import { characterPositions, readText, textSchema } from '../text/text-value.ts';
import { findTokenInputs } from '../text/token-inputs.ts';
import { aggregate, aggregations, type Entity, type ScoredToken } from './aggregate.ts';

export const options = z.strictObject({
  output: z.string().min(1).optional().describe('The output that holds the scores of each token. Default: the evident one.'),
  labels: z.array(z.string()).min(2).optional().describe('Names of the classes of tokens, such as O, B-PER, I-PER. Default: those of config.json.'),
  aggregation: z.enum(aggregations).optional().describe('How tokens become entities where the request does not say: none, simple, first, average, max, as transformers does it. Default: simple.'),
  ignore: z.array(z.string()).optional().describe('Classes that are no entities. Default: O.'),
  maxTokens: z.int().min(3).max(1_000_000).optional().describe('Longer texts are read in parts that overlap. Default: as many tokens as the model takes.'),
});

export type Options = z.infer<typeof options>;

export const tokenClassification: Task<Options> = { name: 'token-classification', options, detect, prepare: prepareTokenizer, lift };

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const { architecture } = readHuggingFaceConfig(artifact);
  if (architecture?.endsWith('ForTokenClassification') !== true || findTokenInputs(signature) === undefined || !hasTokenizer(artifact)) return undefined;
  return { options: {}, reason: `config.json says ${architecture}, and there is a tokenizer.json` };
}

/** Tokens that a part of a long text has in common with the one before it, at most. */
const overlap = 32;

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const text = openTextModel(model, facts, tokenClassification.name, given.maxTokens);
  const output = findFloatOutput(model, given.output, 3, ['logits'], 'the scores of each token');
  const labels = given.labels ?? readHuggingFaceConfig(facts.artifact).labels ?? output.labels;
  if (labels === undefined) throw new ModelportError('INVALID_CONFIG', 'nothing names the classes of tokens: say task.labels, in the order of the output', { at: 'task.labels' });
  const width = output.shape[2];
  if (typeof width === 'number' && width > 0 && width !== labels.length) throw new ModelportError('INVALID_CONFIG', `there are ${labels.length} labels, but output '${output.name}' has ${width} classes`, { at: 'task.labels' });
  const ignored = given.ignore ?? ['O'];
  const standard = given.aggregation ?? 'simple';
  const { tokenizer, special } = text.tokenizer;

  async function find(value: unknown, call: Call): Promise<unknown> {
    const request = readTextFields(value, ['text', 'aggregation']);
    const sentence = readText(request, 'text');
    const aggregation = readChoice(request, 'aggregation', standard, aggregations);
    const { maxTokens } = text;
    const stride = maxTokens === undefined ? 0 : Math.min(overlap, Math.floor((maxTokens - 2) / 4));
    const windows = await text.tokenizer.encodeWindows(sentence, maxTokens === undefined ? {} : { maxTokens, stride }, call, 'text');
    const rows = await text.run(windows, [output], call);
    const found: Entity[] = [];
    for (const [index, window] of windows.entries()) {
      const { data } = rows[index]!.get(output.name)!;
      const tokens: ScoredToken[] = [];
      for (const [place, id] of window.ids.entries()) {
        if (window.sequences[place] === -1) continue;
        const start = window.starts[place]!;
        const end = window.ends[place]!;
        const written = tokenizer.tokenOf(id) ?? '';
        const part = sentence.slice(start, end);
        const unknown = id === special.unknown;
        const continues = unknown ? false : tokenizer.continuingPrefix === undefined || tokenizer.continuingPrefix === '' ? start > 0 && !/ /.test(sentence.slice(start - 1, start + 1)) : Array.from(written).length !== Array.from(part).length;
        tokens.push({ word: unknown ? part : written, scores: toProbabilities(data.subarray(place * labels!.length, (place + 1) * labels!.length), true), start, end, index: place, continues });
      }
      found.push(...aggregate(tokens, aggregation, labels!, (words) => tokenizer.decode(words.map((word) => tokenizer.idOf(word) ?? -1), { keepSpecialTokens: true })).filter(({ label }) => !ignored.includes(label)));
    }
    const position = characterPositions(sentence);
    const entities = (windows.length > 1 ? withoutOverlaps(found) : found).map(({ label, score, start, end, index }) => ({
      label,
      score: shortest(score),
      word: sentence.slice(start, end),
      start: position(start),
      end: position(end),
      ...(index === undefined ? {} : { index }),
    }));
    return { entities, text: sentence };
  }

  return withPredict(
    model,
    { task: tokenClassification.name, input: inputSchema(standard), output: outputSchema(labels), examples: readExamples(facts.examples, facts.directory ?? facts.artifact.directory) },
    find,
  );
}

/** Of entities that two parts of the text found at the same place, the longer one, or that with the larger score. */
function withoutOverlaps(entities: readonly Entity[]): Entity[] {
  const kept: Entity[] = [];
  for (const entity of [...entities].sort((left, right) => left.start - right.start)) {
    const before = kept.at(-1);
    if (before === undefined || entity.start >= before.end) kept.push(entity);
    else {
      const longer = entity.end - entity.start - (before.end - before.start);
      if (longer > 0 || (longer === 0 && entity.score > before.score)) kept[kept.length - 1] = entity;
    }
  }
  return kept;
}

function inputSchema(aggregation: string): JsonSchema {
  return {
    type: 'object',
    properties: {
      text: textSchema('Text', 'The text to look for names in.'),
      aggregation: {
        type: 'string',
        title: 'Aggregation',
        enum: [...aggregations],
        default: aggregation,
        description: 'How tokens become entities. none: each token alone; simple: neighbours of one kind; first, average, max: whole words, with the kind of the first token, the mean, or the surest.',
        'x-modelport': { advanced: true },
      },
    },
    required: ['text'],
    additionalProperties: false,
  };
}

function outputSchema(labels: readonly string[]): JsonSchema {
  const kinds = [...new Set(labels.flatMap((label) => [label, label.replace(/^[BI]-/, '')]))];
  return {
    type: 'object',
    properties: {
      entities: {
        type: 'array',
        description: 'What was found, in the order of the text.',
        items: {
          type: 'object',
          properties: {
            label: { type: 'string', ...(kinds.length <= 200 ? { enum: kinds } : {}), description: 'What kind of thing it is.' },
            score: { type: 'number', minimum: 0, maximum: 1 },
            word: { type: 'string', description: 'The part of the text.' },
            start: { type: 'integer', description: 'Where it begins in the text, in characters (Unicode code points), from 0.' },
            end: { type: 'integer', description: 'Where it ends, exclusive.' },
            index: { type: 'integer', description: 'Which token it is; only without aggregation.' },
          },
          required: ['label', 'score', 'word', 'start', 'end'],
        },
        'x-modelport': { widget: 'entities', textField: 'text' },
      },
      text: { type: 'string', description: 'The text that was searched.' },
    },
    required: ['entities', 'text'],
  };
}
