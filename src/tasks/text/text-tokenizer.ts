/**
 * The tokenizer of a model folder for use in a server: short texts are cut at once, longer ones in a thread, so that the event
 * loop is never held up for more than a few milliseconds.
 */
import { statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { z } from 'zod';
import type { Artifact } from '../../artifact.ts';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { TaskFacts } from '../../task.ts';
import { TaskThreads } from '../request/task-threads.ts';
import type { Encoding } from './encoding.ts';
import { findModelFile, readJsonObject, readModelFile } from './model-files.ts';
import type { TokenizerJob, TokenizerReply } from './tokenizer-thread.ts';
import { Tokenizer, type EncodeOptions, type PackedTokenizer } from './tokenizer.ts';

/** UTF-16 units that are cut into tokens on the event loop: half a millisecond for English, three for scripts that need care. */
const mostInlineUnits = 512;
/** A thread that cuts a text for longer than this is ended: the file's patterns may make it try very many ways. A million characters take a second or two. */
const longestWorkMs = 20_000;
/** Longer texts are refused: no model reads so much, and cutting it would take seconds. */
export const mostTextUnits = 1_000_000;

export interface SpecialTokens {
  readonly pad?: number;
  readonly unknown?: number;
  readonly classification?: number;
  readonly separator?: number;
  readonly mask?: number;
  readonly beginning?: number;
  readonly end?: number;
}

export interface TextTokenizer {
  readonly tokenizer: Tokenizer;
  readonly special: SpecialTokens;
  /** Most tokens the model takes, as tokenizer_config.json and config.json say; undefined where neither does. */
  readonly maxTokens: number | undefined;
  /** Which end of a long text is cut off. */
  readonly truncationSide: 'left' | 'right';
  readonly paddingSide: 'left' | 'right';
  /** Whether decoded English loses the spaces before signs. */
  readonly cleansUp: boolean;
  /** Rejects with `BODY_TOO_LARGE` where the text is longer than a million characters. `at` names it in errors. */
  encode(text: string, options: EncodeOptions, call: Call, at: string): Promise<Encoding & { readonly truncated: boolean }>;
  /** As {@link encode}, in windows. */
  encodeWindows(text: string, options: EncodeOptions, call: Call, at: string): Promise<readonly Encoding[]>;
}

const threads = new TaskThreads<TokenizerJob, Exclude<TokenizerReply, { error: unknown }>>(new URL('./tokenizer-thread.js', import.meta.url), 'texts');

/** Whether a model has a tokenizer.json beside it. */
export function hasTokenizer(artifact: Artifact): boolean {
  return findModelFile(artifact, 'tokenizer.json') !== undefined;
}

/** Files up to this size are read on the event loop: it takes a few milliseconds. */
const mostInlineBytes = 64 << 10;
/** A tokenizer that was read before a model is lifted. */
class PreparedTokenizer {
  readonly key: string;
  readonly tokenizer: Tokenizer;

  constructor(key: string, tokenizer: Tokenizer) {
    this.key = key;
    this.tokenizer = tokenizer;
  }
}

/** Reads the tokenizer that {@link openTokenizer} opens, large ones in a thread. Rejects with `INVALID_MODEL`; undefined where there is none. */
export async function prepareTokenizer({ artifact }: Pick<TaskFacts, 'artifact'>): Promise<unknown> {
  const path = findModelFile(artifact, 'tokenizer.json');
  const sizeBytes = path === undefined ? 0 : statSync(path).size;
  if (path === undefined || sizeBytes <= mostInlineBytes) return undefined;
  const key = keyOf(path);
  const packed = (await threads.run({ key, path, kind: 'open' }, { sizeBytes: 0 })).result as PackedTokenizer;
  return new PreparedTokenizer(key, await Tokenizer.unpack(packed, setImmediate));
}

/** Changes with the file. */
function keyOf(path: string): string {
  const status = statSync(path);
  return `${path} ${status.mtimeMs} ${status.size}`;
}

/** Throws `INVALID_CONFIG` where there is no tokenizer.json, `INVALID_MODEL` where it can't be read. `prepared`: of {@link prepareTokenizer}. `longestMs`: a text that takes longer to cut is refused. */
export function openTokenizer(artifact: Artifact, prepared?: unknown, longestMs = longestWorkMs): TextTokenizer {
  const found = findModelFile(artifact, 'tokenizer.json');
  if (found === undefined) {
    const slow = ['vocab.txt', 'vocab.json', 'spiece.model', 'sentencepiece.bpe.model', 'tokenizer.model'].find((name) => findModelFile(artifact, name) !== undefined);
    const hint = slow === undefined ? 'put it beside the model file' : `there is ${slow}: AutoTokenizer.from_pretrained(folder).save_pretrained(folder) makes one of it`;
    throw new ModelportError('INVALID_CONFIG', `there is no tokenizer.json in ${artifact.directory}: ${hint}`, { at: 'task' });
  }
  const path = found;
  const key = keyOf(path);
  const tokenizer = prepared instanceof PreparedTokenizer && prepared.key === key ? prepared.tokenizer : new Tokenizer(readJsonObject(path));
  const config = readModelFile(artifact, 'tokenizer_config.json');
  const map = readModelFile(artifact, 'special_tokens_map.json');

  async function cut<Kind extends 'encode' | 'encodeWindows'>(kind: Kind, text: string, options: EncodeOptions, call: Call, at: string): Promise<ReturnType<Tokenizer[Kind]>> {
    call.throwIfCancelled();
    const units = text.length + (options.pair?.length ?? 0);
    if (units <= mostInlineUnits && !tokenizer.mayBacktrack) return tokenizer[kind](text, options) as ReturnType<Tokenizer[Kind]>;
    if (units > mostTextUnits) throw new ModelportError('BODY_TOO_LARGE', `${at} has ${units} characters, more than the ${mostTextUnits} that are read: send a part of it`, { at });
    return (await threads.run({ key, path, kind, text, options }, { call, sizeBytes: units * 2, limitMs: longestMs })).result as ReturnType<Tokenizer[Kind]>;
  }

  return {
    tokenizer,
    special: specialTokens(tokenizer, config, map),
    maxTokens: longestInput(config, readModelFile(artifact, 'config.json')),
    truncationSide: config['truncation_side'] === 'left' ? 'left' : 'right',
    paddingSide: config['padding_side'] === 'left' ? 'left' : 'right',
    cleansUp: config['clean_up_tokenization_spaces'] === true,
    encode: (text, options, call, at) => cut('encode', text, options, call, at),
    encodeWindows: (text, options, call, at) => cut('encodeWindows', text, options, call, at),
  };
}

const tokenSchema = z.union([z.string(), z.object({ content: z.string() })]);

/** tokenizer_config.json's word, then special_tokens_map.json's, then the names that everybody uses. */
function specialTokens(tokenizer: Tokenizer, config: Readonly<Record<string, unknown>>, map: Readonly<Record<string, unknown>>): SpecialTokens {
  const find = (key: string, usual: readonly string[]): number | undefined => {
    for (const source of [config[key], map[key]]) {
      const token = tokenSchema.safeParse(source);
      const id = token.success ? tokenizer.idOf(typeof token.data === 'string' ? token.data : token.data.content) : undefined;
      if (id !== undefined) return id;
    }
    for (const token of usual) {
      const id = tokenizer.idOf(token);
      if (id !== undefined) return id;
    }
    return undefined;
  };
  const found = {
    pad: find('pad_token', ['[PAD]', '<pad>', '<|pad|>']),
    unknown: tokenizer.unknownId ?? find('unk_token', ['[UNK]', '<unk>']),
    classification: find('cls_token', ['[CLS]', '<s>']),
    separator: find('sep_token', ['[SEP]', '</s>']),
    mask: find('mask_token', ['[MASK]', '<mask>']),
    beginning: find('bos_token', ['<s>', '<|begin_of_text|>']),
    end: find('eos_token', ['</s>', '<|endoftext|>', '<|end_of_text|>', '<|im_end|>']),
  };
  return Object.fromEntries(Object.entries(found).flatMap(([name, id]) => (id === undefined ? [] : [[name, id]])));
}

/** Where the vectors of positions begin after the padding's (RoBERTa and its kin), two of them are no positions. */
const offsetPositions = /^(roberta|xlm-roberta|camembert|longformer|mpnet|data2vec-text|xlm-roberta-xl|xmod|roberta-prelayernorm)$/;

function longestInput(tokenizerConfig: Readonly<Record<string, unknown>>, config: Readonly<Record<string, unknown>>): number | undefined {
  const { model_max_length: length } = tokenizerConfig;
  const { max_position_embeddings: positions, n_positions: gptPositions, model_type: type } = config;
  const known: number[] = [];
  // Libraries write 1e30 for "any".
  if (typeof length === 'number' && length >= 1 && length < 10_000_000) known.push(Math.floor(length));
  for (const each of [positions, gptPositions]) {
    if (typeof each === 'number' && Number.isInteger(each) && each > 2) known.push(typeof type === 'string' && offsetPositions.test(type) ? each - 2 : each);
  }
  return known.length === 0 ? undefined : Math.min(...known);
}
