/** A sentence and others → how alike they are: the cosine of the angle between their vectors. */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { readExamples } from '../../example-files.ts';
import type { Model } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { shortest } from '../classification/scores.ts';
import { readTextFields } from '../request/read-fields.ts';
import { isSentenceModel, normalized, planSentences, poolings, sentenceVectors } from '../text/pooling.ts';
import { openTextModel, withPredict } from '../text/text-model.ts';
import { hasTokenizer, prepareTokenizer } from '../text/text-tokenizer.ts';
import { readText, readTexts, textSchema, truncatedSchema } from '../text/text-value.ts';
import { findTokenInputs } from '../text/token-inputs.ts';

export const options = z.strictObject({
  output: z.string().min(1).optional().describe('The output that holds the vectors. Default: sentence_embedding, last_hidden_state, or the first one.'),
  pooling: z.enum(poolings).optional().describe('How the vectors of tokens become one of the text: mean, cls (the first token), max, last. Default: as 1_Pooling/config.json says, else mean.'),
  maxTokens: z.int().min(3).max(1_000_000).optional().describe('Longer texts are cut. Default: as many tokens as the model takes.'),
});

export type Options = z.infer<typeof options>;

export const sentenceSimilarity: Task<Options> = { name: 'sentence-similarity', options, detect, prepare: prepareTokenizer, lift };

const mostSentences = 1000;

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  if (!isSentenceModel(artifact) || findTokenInputs(signature) === undefined || !hasTokenizer(artifact)) return undefined;
  return { options: {}, reason: 'the folder is one of the sentence-transformers library (it has 1_Pooling or config_sentence_transformers.json)' };
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const text = openTextModel(model, facts, sentenceSimilarity.name, given.maxTokens);
  const plan = planSentences(model, facts.artifact, given);

  async function compare(value: unknown, call: Call): Promise<unknown> {
    const request = readTextFields(value, ['source', 'sentences']);
    const source = readText(request, 'source');
    // A form sends one sentence a line.
    const given = request['sentences'];
    const { texts } = readTexts({ sentences: typeof given === 'string' ? given.split('\n').filter((line) => /\S/.test(line)) : given }, 'sentences', mostSentences);
    const { vectors, truncated } = await sentenceVectors(text, plan, [source, ...texts], call, 'sentences');
    const [first, ...others] = vectors.map(normalized);
    const similarities = others.map((other, index) => ({ sentence: texts[index]!, score: shortest(other.reduce((sum, number, place) => sum + number * first![place]!, 0)) }));
    return { similarities, ...(truncated ? { truncated } : {}) };
  }

  return withPredict(
    model,
    {
      task: sentenceSimilarity.name,
      input: {
        type: 'object',
        properties: {
          source: textSchema('Sentence', 'The sentence that the others are compared with.'),
          sentences: { type: 'array', title: 'Others', items: { type: 'string', minLength: 1 }, minItems: 1, maxItems: mostSentences, description: 'A list, or one sentence a line.', 'x-modelport': { widget: 'lines' } },
        },
        required: ['source', 'sentences'],
        additionalProperties: false,
      },
      output: {
        type: 'object',
        properties: {
          similarities: {
            type: 'array',
            description: 'In the order of the sentences; 1: the same, 0: nothing in common.',
            items: { type: 'object', properties: { sentence: { type: 'string' }, score: { type: 'number', minimum: -1, maximum: 1 } }, required: ['sentence', 'score'] },
            'x-modelport': { widget: 'labels', label: 'sentence' },
          },
          truncated: truncatedSchema,
        },
        required: ['similarities'],
      },
      examples: readExamples(facts.examples, facts.directory ?? facts.artifact.directory),
    },
    compare,
  );
}
