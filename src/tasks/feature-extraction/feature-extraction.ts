/** Texts → vectors, for search and comparison: one a text, or one a token. */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import type { Model } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { shortest } from '../classification/scores.ts';
import { readTextFields } from '../request/read-fields.ts';
import { readHuggingFaceConfig } from '../text/hugging-face-config.ts';
import { planSentences, poolings, sentenceVectors } from '../text/pooling.ts';
import { openTextModel, withPredict } from '../text/text-model.ts';
import { hasTokenizer, prepareTokenizer } from '../text/text-tokenizer.ts';
import { readTexts, truncatedSchema } from '../text/text-value.ts';
import { findTokenInputs } from '../text/token-inputs.ts';

export const options = z.strictObject({
  output: z.string().min(1).optional().describe('The output that holds the vectors. Default: sentence_embedding, last_hidden_state, or the first one.'),
  pooling: z.enum([...poolings, 'none']).optional().describe('How the vectors of tokens become one of the text: mean, cls (the first token), max, last, or none: all of them. Default: as 1_Pooling/config.json says, else mean.'),
  normalize: z.boolean().optional().describe('Whether vectors get the length 1. Default: where modules.json names a module that normalizes.'),
  maxTokens: z.int().min(3).max(1_000_000).optional().describe('Longer texts are cut. Default: as many tokens as the model takes.'),
});

export type Options = z.infer<typeof options>;

export const featureExtraction: Task<Options> = { name: 'feature-extraction', options, detect, prepare: prepareTokenizer, lift };

const mostTexts = 1000;

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  if (findTokenInputs(signature) === undefined || !hasTokenizer(artifact)) return undefined;
  const { architecture } = readHuggingFaceConfig(artifact);
  const output = signature.outputs.find(({ name }) => name === 'last_hidden_state' || name === 'sentence_embedding');
  if (output === undefined || (architecture !== undefined && !/(?:Model|Encoder)$/.test(architecture))) return undefined;
  return { options: {}, reason: `output '${output.name}' holds vectors, and there is a tokenizer.json` };
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const text = openTextModel(model, facts, featureExtraction.name, given.maxTokens);
  const plan = planSentences(model, facts.artifact, { ...given, pooling: given.pooling === 'none' ? undefined : given.pooling });
  const each = given.pooling === 'none';
  if (each && plan.output.shape.length !== 3) throw new ModelportError('INVALID_CONFIG', `output '${plan.output.name}' has one vector a text, none of its tokens`, { at: 'task.pooling' });

  async function extract(value: unknown, call: Call): Promise<unknown> {
    const request = readTextFields(Array.isArray(value) ? { text: value as unknown } : value, ['text']);
    const { texts, single } = readTexts(request, 'text', mostTexts);
    if (each) {
      const rows = await Promise.all(texts.map((one) => text.tokenizer.encode(one, text.maxTokens === undefined ? {} : { maxTokens: text.maxTokens }, call, 'text')));
      const outputs = await text.run(rows, [plan.output], call);
      const tokens = outputs.map((row) => {
        const { data, shape } = row.get(plan.output.name)!;
        const size = shape[1]!;
        return Array.from({ length: shape[0]! }, (_, token) => Array.from(data.subarray(token * size, (token + 1) * size), shortest));
      });
      return { ...(single ? { tokens: tokens[0] } : { texts: tokens.map((vectors) => ({ tokens: vectors })) }), ...(rows.some(({ truncated }) => truncated) ? { truncated: true } : {}) };
    }
    const { vectors, truncated } = await sentenceVectors(text, plan, texts, call, 'text');
    const lists = vectors.map((vector) => Array.from(vector, shortest));
    return { ...(single ? { embedding: lists[0] } : { embeddings: lists }), ...(truncated ? { truncated } : {}) };
  }

  const vector = { type: 'array', items: { type: 'number' } };
  const described = each
    ? { tokens: { type: 'array', items: vector, description: 'One vector a token, where one text was sent.' }, texts: { type: 'array', items: { type: 'object', properties: { tokens: { type: 'array', items: vector } } }, description: 'Where a list was sent.' } }
    : { embedding: { ...vector, description: 'The vector, where one text was sent.' }, embeddings: { type: 'array', items: vector, description: 'The vectors, where a list was sent.' } };
  return withPredict(
    model,
    {
      task: featureExtraction.name,
      input: {
        type: 'object',
        properties: { text: { type: ['string', 'array'], items: { type: 'string', minLength: 1 }, minItems: 1, maxItems: mostTexts, title: 'Text', description: 'A text, or a list of texts.', 'x-modelport': { widget: 'textarea' } } },
        required: ['text'],
        additionalProperties: false,
      },
      output: { type: 'object', properties: { ...described, truncated: truncatedSchema } },
      examples: readExamples(facts.examples, facts.directory ?? facts.artifact.directory),
    },
    extract,
  );
}
