/** A text with a gap → the words that fit into it. */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import type { Model } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { largest, shortest, toProbabilities } from '../classification/scores.ts';
import { readCount, readTextFields } from '../request/read-fields.ts';
import { cleanUp } from '../text/decoders.ts';
import { readHuggingFaceConfig } from '../text/hugging-face-config.ts';
import { findFloatOutput, openTextModel, withPredict } from '../text/text-model.ts';
import { hasTokenizer, prepareTokenizer } from '../text/text-tokenizer.ts';
import { readText, readTexts, textSchema } from '../text/text-value.ts';
import { findTokenInputs } from '../text/token-inputs.ts';

export const options = z.strictObject({
  output: z.string().min(1).optional().describe('The output that holds the scores of all tokens. Default: the evident one.'),
  topK: z.int().min(1).max(1000).optional().describe('How many words an answer lists for each gap where the request does not say. Default: 5.'),
  maxTokens: z.int().min(3).max(1_000_000).optional().describe('Longer texts are refused. Default: as many tokens as the model takes.'),
});

export type Options = z.infer<typeof options>;

export const fillMask: Task<Options> = { name: 'fill-mask', options, detect, prepare: prepareTokenizer, lift };

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const { architecture } = readHuggingFaceConfig(artifact);
  if (architecture?.endsWith('ForMaskedLM') !== true || findTokenInputs(signature) === undefined || !hasTokenizer(artifact)) return undefined;
  return { options: {}, reason: `config.json says ${architecture}, and there is a tokenizer.json` };
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const text = openTextModel(model, facts, fillMask.name, given.maxTokens);
  const output = findFloatOutput(model, given.output, 3, ['logits'], 'the scores of all tokens');
  const { tokenizer, special, cleansUp } = text.tokenizer;
  const { mask } = special;
  if (mask === undefined) throw new ModelportError('INVALID_CONFIG', 'fill-mask needs a tokenizer with a mask token: tokenizer_config.json names none', { at: 'task' });
  const maskText = tokenizer.tokenOf(mask)!;
  const standard = given.topK ?? 5;
  const decode = (ids: readonly number[], keepSpecialTokens: boolean): string => {
    const decoded = tokenizer.decode(ids, { keepSpecialTokens });
    return cleansUp ? cleanUp(decoded) : decoded;
  };

  async function fill(value: unknown, call: Call): Promise<unknown> {
    const request = readTextFields(value, ['text', 'topK', 'targets']);
    const sentence = readText(request, 'text');
    const topK = readCount(request, 'topK', standard, 1, 1000);
    const targets = request['targets'] === undefined || request['targets'] === '' ? undefined : targetIds(request['targets']);
    const encoding = await text.tokenizer.encode(sentence, text.maxTokens === undefined ? {} : { maxTokens: text.maxTokens }, call, 'text');
    const gaps = encoding.ids.flatMap((id, place) => (id === mask ? [place] : []));
    if (encoding.truncated) throw new ModelportError('BODY_TOO_LARGE', `the text has more than the ${text.maxTokens} tokens that the model reads: send a part of it`, { at: 'text' });
    if (gaps.length === 0) throw new ModelportError('INVALID_VALUE', `the text has no gap: write ${maskText} where a word is missing`, { at: 'text' });
    const [row] = await text.run([encoding], [output], call);
    const { data, shape } = row!.get(output.name)!;
    const size = shape[1]!;
    const answers = gaps.map((place) => {
      const probabilities = toProbabilities(data.subarray(place * size, (place + 1) * size), true);
      const wanted = targets === undefined ? probabilities : Float64Array.from(targets, (id) => probabilities[id] ?? 0);
      return largest(wanted, Math.min(topK, wanted.length)).map((found) => {
        const token = targets === undefined ? found : targets[found]!;
        const filled = encoding.ids.map((id, index) => (index === place ? token : id)).filter((id) => id !== special.pad);
        return { token: decode([token], true), score: shortest(wanted[found]!), tokenId: token, text: decode(filled, gaps.length > 1) };
      });
    });
    return { best: answers[0]![0]!.text, gaps: answers };
  }

  /** Words that are no token stand for their first one. */
  function targetIds(given: unknown): number[] {
    const { texts } = readTexts({ targets: given }, 'targets', 1000);
    const ids = texts.map((target) => {
      const id = tokenizer.idOf(target) ?? tokenizer.encode(target, { specialTokens: false }).ids[0];
      if (id === undefined) throw new ModelportError('INVALID_VALUE', `the model knows no part of the word '${target.slice(0, 80)}'`, { at: 'targets' });
      return id;
    });
    return [...new Set(ids)];
  }

  return withPredict(
    model,
    {
      task: fillMask.name,
      input: {
        type: 'object',
        properties: {
          text: textSchema('Text', `A text with ${maskText} where a word is missing.`),
          topK: { type: 'integer', title: 'Words to list', minimum: 1, maximum: 1000, default: standard, 'x-modelport': { advanced: true } },
          targets: { type: 'array', title: 'Words to choose from', items: { type: 'string', minLength: 1 }, description: 'Only these words are considered.', 'x-modelport': { advanced: true, widget: 'tags' } },
        },
        required: ['text'],
        additionalProperties: false,
      },
      output: {
        type: 'object',
        properties: {
          best: { type: 'string', description: 'The text with the best word in its first gap.' },
          gaps: {
            type: 'array',
            description: 'Of each gap, the words that fit best.',
            items: {
              type: 'array',
              items: {
                type: 'object',
                properties: { token: { type: 'string' }, score: { type: 'number', minimum: 0, maximum: 1 }, tokenId: { type: 'integer' }, text: { type: 'string', description: 'The text with this word in its place.' } },
                required: ['token', 'score', 'tokenId', 'text'],
              },
              'x-modelport': { widget: 'labels', label: 'token' },
            },
          },
        },
        required: ['best', 'gaps'],
      },
      examples: readExamples(facts.examples, facts.directory ?? facts.artifact.directory),
    },
    fill,
  );
}
