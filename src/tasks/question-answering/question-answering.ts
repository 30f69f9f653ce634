/** A question and a text that holds the answer → the part of the text that is the answer. */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import type { Model } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { shortest } from '../classification/scores.ts';
import { readCount, readTextFields } from '../request/read-fields.ts';
import type { Encoding } from '../text/encoding.ts';
import { readHuggingFaceConfig } from '../text/hugging-face-config.ts';
import { findFloatOutput, openTextModel, withPredict } from '../text/text-model.ts';
import { hasTokenizer, prepareTokenizer } from '../text/text-tokenizer.ts';
import { characterPositions, readText, textSchema } from '../text/text-value.ts';
import { findTokenInputs } from '../text/token-inputs.ts';
import { bestSpans } from './best-spans.ts';

export const options = z.strictObject({
  startOutput: z.string().min(1).optional().describe('The output that holds where an answer begins. Default: start_logits.'),
  endOutput: z.string().min(1).optional().describe('The output that holds where an answer ends. Default: end_logits.'),
  maxTokens: z.int().min(8).max(1_000_000).optional().describe('Longer texts are read in parts of so many tokens. Default: 384, or as many as the model takes.'),
  stride: z.int().min(0).max(100_000).optional().describe('How many tokens a part has in common with the one before it. Default: 128, at most half a part.'),
  maxAnswerTokens: z.int().min(1).max(1000).optional().describe('The longest answer, in tokens. Default: 15.'),
  topK: z.int().min(1).max(100).optional().describe('How many answers are listed where the request does not say. Default: 1.'),
});

export type Options = z.infer<typeof options>;

export const questionAnswering: Task<Options> = { name: 'question-answering', options, detect, prepare: prepareTokenizer, lift };

const usualTokens = 384;
const usualStride = 128;

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  if (findTokenInputs(signature) === undefined || !hasTokenizer(artifact)) return undefined;
  const { architecture } = readHuggingFaceConfig(artifact);
  const named = ['start_logits', 'end_logits'].every((name) => signature.outputs.some((output) => output.name === name));
  if (architecture?.endsWith('ForQuestionAnswering') !== true && !named) return undefined;
  return { options: {}, reason: `${architecture === undefined ? 'its outputs are start_logits and end_logits' : `config.json says ${architecture}`}, and there is a tokenizer.json` };
}

interface Answer {
  readonly answer: string;
  score: number;
  readonly start: number;
  readonly end: number;
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const text = openTextModel(model, facts, questionAnswering.name, given.maxTokens);
  const startOutput = findFloatOutput(model, given.startOutput ?? 'start_logits', 2, [], 'where an answer begins');
  const endOutput = findFloatOutput(model, given.endOutput ?? 'end_logits', 2, [], 'where an answer ends');
  const maxTokens = given.maxTokens ?? Math.min(usualTokens, text.maxTokens ?? usualTokens);
  const stride = given.stride ?? Math.min(usualStride, Math.floor(maxTokens / 2));
  const longest = given.maxAnswerTokens ?? 15;
  const standard = given.topK ?? 1;

  async function answer(value: unknown, call: Call): Promise<unknown> {
    const request = readTextFields(value, ['question', 'context', 'topK']);
    const question = readText(request, 'question');
    const context = readText(request, 'context');
    const topK = readCount(request, 'topK', standard, 1, 100);
    const windows = await windowsOf(question, context, call);
    const rows = await text.run(windows, [startOutput, endOutput], call);
    const found: Answer[] = [];
    for (const [index, window] of windows.entries()) {
      const row = rows[index]!;
      for (const { first, last, score } of bestSpans(row.get(startOutput.name)!.data, row.get(endOutput.name)!.data, window.sequences, { longest, count: topK })) {
        const [start, end] = [wordStart(window, first), wordEnd(window, last)];
        found.push({ answer: context.slice(start, end), score, start, end });
      }
    }
    const merged = new Map<string, Answer>();
    for (const one of found.sort((left, right) => right.score - left.score)) {
      // The same words found again are the same answer.
      const key = one.answer.toLowerCase().trim();
      const same = merged.get(key);
      if (same === undefined) merged.set(key, { ...one });
      else same.score += one.score;
    }
    const position = characterPositions(context);
    const answers = [...merged.values()]
      .sort((left, right) => right.score - left.score)
      .slice(0, topK)
      .map((one) => ({ answer: one.answer, score: shortest(one.score), start: position(one.start), end: position(one.end) }));
    if (answers.length === 0) throw new ModelportError('RUN_FAILED', 'the model gave no part of the context a score');
    return { ...answers[0]!, answers };
  }

  /** A question that leaves no room for the context is refused. */
  async function windowsOf(question: string, context: string, call: Call): Promise<readonly Encoding[]> {
    const alone = await text.tokenizer.encode(question, {}, call, 'question');
    const room = maxTokens - alone.ids.length - 2;
    if (room < 1) throw new ModelportError('INVALID_VALUE', `the question has ${alone.ids.length} tokens, which leaves no room for the context in ${maxTokens}: ask a shorter one`, { at: 'question' });
    return text.tokenizer.encodeWindows(question, { pair: context, truncate: 'second', maxTokens, stride: Math.min(stride, room - 1) }, call, 'context');
  }

  const span = {
    answer: { type: 'string', description: 'The part of the context that answers the question.' },
    score: { type: 'number', description: 'How sure the model is, at most 1.' },
    start: { type: 'integer', description: 'Where it begins in the context, in characters (Unicode code points), from 0.' },
    end: { type: 'integer', description: 'Where it ends, exclusive.' },
  };
  return withPredict(
    model,
    {
      task: questionAnswering.name,
      input: {
        type: 'object',
        properties: {
          question: { type: 'string', minLength: 1, title: 'Question' },
          context: textSchema('Context', 'The text that holds the answer; long ones are read in parts.'),
          topK: { type: 'integer', title: 'Answers to list', minimum: 1, maximum: 100, default: standard, 'x-modelport': { advanced: true } },
        },
        required: ['question', 'context'],
        additionalProperties: false,
      },
      output: {
        type: 'object',
        properties: { ...span, answers: { type: 'array', description: 'The best answers, the best first.', items: { type: 'object', properties: span, required: Object.keys(span) } } },
        required: [...Object.keys(span), 'answers'],
      },
      examples: readExamples(facts.examples, facts.directory ?? facts.artifact.directory),
    },
    answer,
  );
}

/** Answers begin and end with whole words. */
function wordStart(window: Encoding, token: number): number {
  let first = token;
  while (first > 0 && window.sequences[first - 1] === 1 && window.words[first - 1] === window.words[token]) first--;
  return window.starts[first]!;
}

function wordEnd(window: Encoding, token: number): number {
  let last = token;
  while (window.sequences[last + 1] === 1 && window.words[last + 1] === window.words[token]) last++;
  return window.ends[last]!;
}
