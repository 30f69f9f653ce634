/** A text → how it goes on, token by token. */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { isModelportError, ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import { AsyncQueue } from '../../lib/async-queue.ts';
import type { GenerateRequest, JsonSchema, Model, TokenEvent } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { readTextFields } from '../request/read-fields.ts';
import { readHuggingFaceConfig } from '../text/hugging-face-config.ts';
import { readModelFile } from '../text/model-files.ts';
import { hasTokenizer, openTokenizer, prepareTokenizer } from '../text/text-tokenizer.ts';
import { readText, textSchema } from '../text/text-value.ts';
import { findCachePlan, type CachePlan } from './cache-plan.ts';
import { readSettings, settingFields, settingNames, type GenerationSettings } from './generation-request.ts';
import { createSampler } from './sampling.ts';
import { StepBatching } from './step-batching.ts';
import { TextAssembly } from './text-assembly.ts';

export const options = z.strictObject({
  maxTokens: z.int().min(1).max(1_000_000).optional().describe('How many tokens are added where the request does not say, or as many as there is room for. Default: 128.'),
  contextTokens: z.int().min(2).max(10_000_000).optional().describe('Most tokens of prompt and answer together. Default: as many as the model takes.'),
  temperature: z.number().min(0).max(100).optional().describe('0 always takes the likeliest token; larger numbers leave more to chance. Default: 0.'),
  topK: z.int().min(0).max(1_000_000).optional().describe('Only so many likeliest tokens are considered; 0: all. Default: 0.'),
  topP: z.number().gt(0).max(1).optional().describe('Only the likeliest tokens whose probabilities add up to this are considered. Default: 1, all.'),
  repetitionPenalty: z.number().gt(0).max(100).optional().describe('Divides the scores of tokens that were there already. Default: 1, not at all.'),
  streams: z.int().min(1).max(4096).optional().describe('Most texts that are continued together, one row each. Default: the largest batch of the model, at most 32.'),
});

export type Options = z.infer<typeof options>;

export const textGeneration: Task<Options> = { name: 'text-generation', options, detect, prepare: prepareTokenizer, lift };

const usualStreams = 32;
const usualTokens = 128;
/** Stands for a model that says nothing of its context. */
const longestContext = 1_000_000;

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  if (!hasTokenizer(artifact)) return undefined;
  let plan: CachePlan | undefined;
  try {
    plan = findCachePlan(signature);
  } catch (error) {
    if (!isModelportError(error)) throw error;
  }
  const { architecture } = readHuggingFaceConfig(artifact);
  if (plan === undefined || !(plan.parts.length > 0 || /(?:ForCausalLM|LMHeadModel)$/.test(architecture ?? ''))) return undefined;
  const cache = plan.parts.length === 0 ? 'without a key-value cache' : `with a key-value cache of ${plan.parts.length / 2} layers`;
  return { options: {}, reason: `${architecture === undefined ? '' : `config.json says ${architecture}, `}the model takes tokens and answers logits, ${cache}, and there is a tokenizer.json` };
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'text-generation needs a model that takes tensors', { at: 'task' });
  const plan = findCachePlan(model.signature);
  if (plan === undefined) throw new ModelportError('INVALID_CONFIG', "text-generation needs a model with the input input_ids, the output logits [batch, tokens, vocabulary], and past_key_values.N.key and .value for each present.N.key and .value", { at: 'task' });
  const tokenizer = openTokenizer(facts.artifact, facts.prepared);
  const context = Math.min(given.contextTokens ?? Infinity, tokenizer.maxTokens ?? Infinity, longestContext);
  const endIds = endTokens(facts, tokenizer.special.end);
  const mostRows = Math.min(given.streams ?? usualStreams, Math.max(1, model.signature.batch.maxSize));
  const shared = plan.mixesLengths && mostRows > 1 ? new StepBatching(model, plan, mostRows) : undefined;
  const alone = new Set<StepBatching>();
  // Of a context, the prompt has one token at least.
  const mostTokens = context - 1;
  const defaults = { maxTokens: Math.min(given.maxTokens ?? usualTokens, mostTokens), temperature: given.temperature ?? 0, topK: given.topK ?? 0, topP: given.topP ?? 1, repetitionPenalty: given.repetitionPenalty ?? 1 };

  async function* events(prompt: string, settingsOf: (room: number) => GenerationSettings, call: Call): AsyncGenerator<TokenEvent> {
    const encoding = await tokenizer.encode(prompt, {}, call, 'prompt');
    const promptIds = encoding.ids.length === 0 && tokenizer.special.beginning !== undefined ? [tokenizer.special.beginning] : encoding.ids;
    if (promptIds.length === 0) throw new ModelportError('INVALID_VALUE', 'prompt is empty: write a text to continue', { at: 'prompt' });
    const room = context - promptIds.length;
    if (room < 1) throw new ModelportError('BODY_TOO_LARGE', `prompt has ${promptIds.length} tokens, and the model reads ${context} with its answer: send a shorter one`, { at: 'prompt' });
    const settings = settingsOf(room);
    const choose = createSampler(settings.sampling);
    const seen = new Set(promptIds);
    const assembly = new TextAssembly(tokenizer.tokenizer, settings.stops);
    const queue = new AsyncQueue<TokenEvent>({ capacity: Infinity });
    let count = 0;
    let gone = false;
    let reason: 'stop' | 'length' | 'cancelled' = 'cancelled';
    const stepping = shared ?? new StepBatching(model, plan!, 1);
    if (shared === undefined) alone.add(stepping);
    stepping.add({
      promptIds,
      cancelled: () => gone || call.cancelled,
      next(logits) {
        const id = choose(logits, seen);
        if (endIds.has(id)) {
          reason = 'stop';
          return undefined;
        }
        seen.add(id);
        count++;
        const { text, stopped } = assembly.add(id);
        if (text !== '') void queue.push({ type: 'text-delta', text, tokenId: id });
        if (stopped || count >= settings.maxTokens) {
          reason = stopped ? 'stop' : 'length';
          return undefined;
        }
        return id;
      },
      end(error) {
        if (error !== undefined) queue.fail(error);
        else {
          const rest = reason === 'cancelled' ? '' : assembly.finish();
          if (rest !== '') void queue.push({ type: 'text-delta', text: rest });
          void queue.push({ type: 'finish', reason, promptTokens: promptIds.length, completionTokens: count });
          queue.end();
        }
        if (shared === undefined) alone.delete(stepping);
      },
    });
    try {
      yield* queue;
    } finally {
      gone = true;
    }
  }

  function generate({ prompt, parameters }: GenerateRequest, call: Call): AsyncIterable<TokenEvent> {
    return events(prompt, (room) => readSettings(settingFields(parameters), defaults, room), call);
  }

  async function predict(value: unknown, call: Call): Promise<unknown> {
    const request = readTextFields(value, ['prompt', ...settingNames]);
    let text = '';
    for await (const event of events(readText(request, 'prompt'), (room) => readSettings(request, defaults, room), call)) {
      if (event.type === 'text-delta') text += event.text;
      else {
        if (event.reason === 'cancelled') call.throwIfCancelled();
        return { text, finishReason: event.reason, promptTokens: event.promptTokens, completionTokens: event.completionTokens };
      }
    }
    throw new ModelportError('CANCELLED', 'the request was cancelled');
  }

  return {
    signature: { ...model.signature, predict: { task: textGeneration.name, input: inputSchema(defaults, context === longestContext ? undefined : mostTokens), output: outputSchema, examples: readExamples(facts.examples, facts.directory ?? facts.artifact.directory) } },
    infer: (request, call) => model.infer!(request, call),
    ...(model.stream === undefined ? {} : { stream: (request, call) => model.stream!(request, call) }),
    generate,
    predict,
    async [Symbol.asyncDispose]() {
      await Promise.all([...(shared === undefined ? [] : [shared]), ...alone].map((stepping) => stepping.idle()));
      await model[Symbol.asyncDispose]();
    },
  };
}

/** Tokens after which there is nothing more: generation_config.json's word, then config.json's, then the tokenizer's. */
function endTokens({ artifact }: TaskFacts, otherwise: number | undefined): ReadonlySet<number> {
  for (const file of ['generation_config.json', 'config.json']) {
    const said = readModelFile(artifact, file)['eos_token_id'];
    const ids = (Array.isArray(said) ? said : [said]).filter((id): id is number => typeof id === 'number' && Number.isInteger(id));
    if (ids.length > 0) return new Set(ids);
  }
  return new Set(otherwise === undefined ? [] : [otherwise]);
}

function inputSchema(defaults: Readonly<Record<string, number>>, mostTokens: number | undefined): JsonSchema {
  const advanced = { 'x-modelport': { advanced: true } };
  return {
    type: 'object',
    properties: {
      prompt: textSchema('Prompt', 'The text to continue.'),
      maxTokens: { type: 'integer', title: 'Most tokens', minimum: 1, ...(mostTokens === undefined ? {} : { maximum: mostTokens }), default: defaults['maxTokens'], description: `How many tokens are added at most. The default is cut to what the model reads together with the prompt${mostTokens === undefined ? '' : `, ${mostTokens + 1} tokens`}.` },
      temperature: { type: 'number', title: 'Temperature', minimum: 0, maximum: 2, default: defaults['temperature'], description: '0 always takes the likeliest token; larger numbers leave more to chance.', 'x-modelport': { widget: 'slider' } },
      topK: { type: 'integer', title: 'Top k', minimum: 0, default: defaults['topK'], description: 'Only so many likeliest tokens are considered; 0: all.', ...advanced },
      topP: { type: 'number', title: 'Top p', exclusiveMinimum: 0, maximum: 1, default: defaults['topP'], description: 'Only the likeliest tokens whose probabilities add up to this are considered.', ...advanced },
      repetitionPenalty: { type: 'number', title: 'Repetition penalty', exclusiveMinimum: 0, default: defaults['repetitionPenalty'], description: 'Divides the scores of tokens that were there already.', ...advanced },
      stop: { type: ['string', 'array'], items: { type: 'string', minLength: 1 }, maxItems: 16, title: 'Stop', description: 'A text, or a list of texts, before which the answer ends.', ...advanced },
      seed: { type: 'integer', title: 'Seed', minimum: 0, maximum: 2 ** 32 - 1, description: 'The same seed gives the same answer. Without one, each answer is another.', ...advanced },
    },
    required: ['prompt'],
    additionalProperties: false,
    'x-modelport': { stream: true },
  };
}

const outputSchema: JsonSchema = {
  type: 'object',
  properties: {
    text: { type: 'string', description: 'What was added.', 'x-modelport': { widget: 'text' } },
    finishReason: { type: 'string', enum: ['stop', 'length'], description: 'stop: the model ended, or a stop text was met; length: there were as many tokens as asked for.' },
    promptTokens: { type: 'integer' },
    completionTokens: { type: 'integer' },
  },
  required: ['text', 'finishReason', 'promptTokens', 'completionTokens'],
};
