/**
 * A tokenizer as `tokenizer.json` describes it (the file of Hugging Face's `tokenizers`): text → ids, type ids and offsets,
 * equal to the Rust library's; ids → text. WordPiece, byte-pair encoding, Unigram and whole words.
 */
import { z } from 'zod';
import { ModelportError } from '../../errors.ts';
import { AddedTokenFinder, addedTokenSchema, type AddedToken } from './added-tokens.ts';
import { AlignedText } from './aligned-text.ts';
import { BytePairEncoding, bytePairSchema } from './byte-pair-encoding.ts';
import { createDecoder, decoderSchema, type Decode } from './decoders.ts';
import { emptyEncoding, joinEncodings, sliceEncoding, type Encoding } from './encoding.ts';
import { createNormalizer, normalizerSchema, type Normalize } from './normalizers.ts';
import { createPostProcessor, postProcessorSchema, type PostProcessor } from './post-processors.ts';
import { createPreTokenizer, preTokenizerSchema, type PreTokenize } from './pre-tokenizers.ts';
import { mayBacktrack } from './regular-expression.ts';
import type { ReadAlready, SharedTables, TokenModel } from './token-model.ts';
import { Unigram, unigramSchema } from './unigram.ts';
import { Vocabulary } from './vocabulary.ts';
import { WordLevel, wordLevelSchema, WordPiece, wordPieceSchema } from './word-piece.ts';

export interface EncodeOptions {
  /** The second text of a pair. */
  readonly pair?: string;
  /** Whether the tokens that the model expects around a text are added. Default true. */
  readonly specialTokens?: boolean;
  /** Most tokens, those around the text counted. Default: any number. */
  readonly maxTokens?: number;
  /** Which text of a pair is cut where there are too many tokens. Default `longest`. */
  readonly truncate?: 'longest' | 'first' | 'second';
  /** How many tokens a window has in common with the one before it. Default 0. */
  readonly stride?: number;
  /** Which end is cut off. Default `right`. */
  readonly truncationSide?: 'left' | 'right';
}

const fileSchema = z.object({
  normalizer: normalizerSchema.nullish(),
  pre_tokenizer: preTokenizerSchema.nullish(),
  model: z.looseObject({ type: z.string().optional() }),
  post_processor: postProcessorSchema.nullish(),
  decoder: decoderSchema.nullish(),
  added_tokens: z.array(addedTokenSchema).max(1_000_000).nullish(),
});

/** Half a character, which JSON can write and UTF-8 can't. */
const loneSurrogate = /\p{Cs}/gu;

const models = [wordPieceSchema, bytePairSchema, unigramSchema, wordLevelSchema].map((schema) => schema.shape.type.value).join(', ');

/** Whether it is looked for in the normalized text. */
function isNormalized(token: AddedToken): boolean {
  return token.normalized ?? !token.special;
}

/** A tokenizer for another thread, which {@link Tokenizer.unpack} makes one of again. */
export interface PackedTokenizer {
  /** tokenizer.json without what is in the others. */
  readonly file: unknown;
  readonly vocabulary: readonly string[];
  readonly continuingPrefix: string | undefined;
  readonly tables: SharedTables;
}

export class Tokenizer {
  readonly #normalize: Normalize;
  readonly #preTokenize: PreTokenize;
  readonly #model: TokenModel;
  readonly #post: PostProcessor | undefined;
  readonly #decoder: Decode | undefined;
  readonly #raw: AddedTokenFinder;
  readonly #normalized: AddedTokenFinder;
  readonly #added = new Map<string, AddedToken>();
  /** By id. */
  readonly #tokens: string[];
  readonly #special = new Set<number>();
  readonly #addedIds = new Set<number>();
  /** Whether a text may be so unlucky that cutting it takes very long, by a pattern of the file: to be done in a thread that can be ended. */
  readonly mayBacktrack: boolean;

  /** `file`: the parsed tokenizer.json. Throws `INVALID_MODEL` saying what is wrong in it, or not covered. `read`: what need not be read from it again. */
  constructor(file: unknown, read?: ReadAlready) {
    const parsed = fileSchema.safeParse(file);
    if (!parsed.success) throw invalid(parsed.error);
    const { normalizer, pre_tokenizer: preTokenizer, model, post_processor: postProcessor, decoder, added_tokens: added } = parsed.data;
    // These run at loading and with every decoded token.
    for (const [part, schema] of [['normalizer', normalizer], ['decoder', decoder]] as const) {
      const pattern = patternsIn(schema).find(mayBacktrack);
      if (pattern !== undefined) throw new ModelportError('INVALID_MODEL', `tokenizer.json: the ${part} has a pattern that may be tried in very many ways, which is only allowed in the pre_tokenizer: ${JSON.stringify(pattern.slice(0, 100))}`);
    }
    this.mayBacktrack = patternsIn(preTokenizer).some(mayBacktrack);
    this.#normalize = normalizer == null ? (text) => text : createNormalizer(normalizer);
    this.#preTokenize = preTokenizer == null ? (text) => [text] : createPreTokenizer(preTokenizer);
    this.#model = createModel(model, read);
    this.#tokens = this.#model.vocabulary.tokens;
    for (const token of added ?? []) {
      this.#added.set(token.content, token);
      this.#addedIds.add(token.id);
      this.#tokens[token.id] = isNormalized(token) ? this.#normalize(new AlignedText(token.content)).text : token.content;
      if (token.special) this.#special.add(token.id);
    }
    this.#raw = new AddedTokenFinder((added ?? []).filter((token) => !isNormalized(token)).map((token) => ({ content: token.content, token })));
    this.#normalized = new AddedTokenFinder((added ?? []).filter(isNormalized).map((token) => ({ content: this.#normalize(new AlignedText(token.content)).text, token })));
    this.#post = postProcessor == null ? undefined : createPostProcessor(postProcessor, (id) => (this.#addedIds.has(id) ? undefined : (this.#tokens[id] ?? '')));
    this.#decoder = decoder == null ? undefined : createDecoder(decoder);
  }

  /** `file`: the one that this was made of. */
  pack(file: Readonly<Record<string, unknown>>): PackedTokenizer {
    const model = file['model'] as Record<string, unknown>;
    const { vocabulary, tables } = this.#model;
    return { file: { ...file, model: { ...model, type: modelType(model), vocab: null, merges: null } }, vocabulary: vocabulary.pack(), continuingPrefix: vocabulary.continuingPrefix, tables };
  }

  /** Calls `pause` every millisecond or so, so that a caller in the event loop can let others go on. */
  static async unpack({ file, vocabulary, continuingPrefix, tables }: PackedTokenizer, pause: () => Promise<unknown>): Promise<Tokenizer> {
    return new Tokenizer(file, { vocabulary: await Vocabulary.unpack(vocabulary, continuingPrefix, pause), tables });
  }

  /** Cut to `maxTokens`; how many there would have been, `truncated` says. */
  encode(text: string, options: EncodeOptions = {}): Encoding & { readonly truncated: boolean } {
    const { parts, truncated } = this.#windows(text, options, true);
    return { ...parts[0]!, truncated };
  }

  /** All tokens, in windows of at most `maxTokens`, each with the `stride` last tokens of the one before. Only one text of a pair is cut. */
  encodeWindows(text: string, options: EncodeOptions = {}): Encoding[] {
    return this.#windows(text, options, false).parts;
  }

  /** Special tokens are left out unless told otherwise. Ids that there are not are left out too. */
  decode(ids: readonly number[], options: { readonly keepSpecialTokens?: boolean } = {}): string {
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.#tokens[id];
      if (token !== undefined && (options.keepSpecialTokens === true || !this.#special.has(id))) tokens.push(token);
    }
    return this.#decoder === undefined ? tokens.join(' ') : this.#decoder(tokens).join('');
  }

  idOf(token: string): number | undefined {
    return this.#added.get(token)?.id ?? this.#model.vocabulary.ids.get(token);
  }

  tokenOf(id: number): string | undefined {
    return this.#tokens[id];
  }

  isSpecial(id: number): boolean {
    return this.#special.has(id);
  }

  /** One more than the largest id. */
  get vocabularySize(): number {
    return this.#tokens.length;
  }

  /** The prefix of tokens that continue a word: `##` of WordPiece. */
  get continuingPrefix(): string | undefined {
    return this.#model.vocabulary.continuingPrefix;
  }

  get unknownId(): number | undefined {
    return this.#model.unknownId;
  }

  #windows(text: string, options: EncodeOptions, firstOnly: boolean): { parts: Encoding[]; truncated: boolean } {
    const { pair, specialTokens = true, maxTokens = Infinity, truncate = 'longest', stride = 0, truncationSide = 'right' } = options;
    const encodings = [this.#tokenize(text, 0), ...(pair === undefined ? [] : [this.#tokenize(pair, 1)])];
    const added = specialTokens ? (this.#post?.addedTokens(pair === undefined ? 1 : 2) ?? 0) : 0;
    const room = maxTokens - added;
    const total = encodings.reduce((sum, { ids }) => sum + ids.length, 0);
    if (total <= room) return { parts: [this.#finish(encodings, specialTokens, options, text)], truncated: false };
    if (room < 1) throw new ModelportError('INVALID_VALUE', `${maxTokens} tokens leave no room for the text: ${added} stand around it`);
    const cut = cutRanges(encodings.map(({ ids }) => ids.length), room, truncate, stride, truncationSide);
    const windows = firstOnly ? cut.slice(0, 1) : cut;
    return { parts: windows.map((ranges) => this.#finish(encodings.map((encoding, index) => sliceEncoding(encoding, ...ranges[index]!)), specialTokens, options, text)), truncated: true };
  }

  #finish(encodings: readonly Encoding[], special: boolean, { pair = '' }: EncodeOptions, text: string): Encoding {
    return joinEncodings(this.#post === undefined ? encodings : this.#post.apply(encodings, special, [text, pair]));
  }

  #tokenize(text: string, sequence: 0 | 1): Encoding {
    const encoding = emptyEncoding();
    let word = 0;
    const add = (id: number, start: number, end: number): void => {
      encoding.ids.push(id);
      encoding.typeIds.push(sequence);
      encoding.starts.push(start);
      encoding.ends.push(end);
      encoding.sequences.push(sequence);
      encoding.words.push(word);
    };
    const whole = new AlignedText(text.replace(loneSurrogate, '\ufffd'));
    for (const raw of this.#raw.split(whole)) {
      const parts = raw.id === undefined ? this.#normalized.split(this.#normalize(raw.text)) : [raw];
      for (const part of parts) {
        if (part.id !== undefined) {
          add(part.id, part.text.originalStart(0), part.text.originalEnd(part.text.text.length));
          word++;
          continue;
        }
        for (const piece of this.#preTokenize(part.text)) {
          if (piece.text === '') continue;
          for (const { id, from, to } of this.#model.tokenize(piece.text)) add(id, piece.originalStart(from), piece.originalEnd(to));
          word++;
        }
      }
    }
    return encoding;
  }
}

/** The regular expressions in a part of the file. */
function patternsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === 'Regex' && typeof inner === 'string' ? [inner] : patternsIn(inner)));
}

type Range = readonly [from: number, to: number];

/** Of each window, which tokens of each text. */
function cutRanges(lengths: readonly number[], room: number, truncate: 'longest' | 'first' | 'second', stride: number, side: 'left' | 'right'): Range[][] {
  const [first, second] = lengths as [number, number | undefined];
  const last = (length: number, kept: number): Range => (side === 'right' ? [0, kept] : [length - kept, length]);
  if (second !== undefined && truncate === 'longest') {
    let shorter = Math.min(first, second);
    let longer = shorter > room ? shorter : Math.max(shorter, room - shorter);
    if (shorter + longer > room) {
      shorter = Math.floor(room / 2);
      longer = shorter + (room % 2);
    }
    const [keptFirst, keptSecond] = first > second ? [longer, shorter] : [shorter, longer];
    return [[last(first, keptFirst), last(second, keptSecond)]];
  }
  const cutSecond = second !== undefined && truncate === 'second';
  const fixed = second === undefined ? 0 : cutSecond ? first : second;
  const length = cutSecond ? second : first;
  const size = room - fixed;
  if (size < 1 || stride >= size) {
    throw new ModelportError('INVALID_VALUE', size < 1 ? `the text that is not to be cut has ${fixed} tokens, but there is room for ${room}` : `the stride of ${stride} tokens leaves nothing of a window of ${size}`);
  }
  const windows: Range[] = [];
  if (side === 'right') {
    for (let from = 0; ; from += size - stride) {
      const to = Math.min(from + size, length);
      windows.push([from, to]);
      if (to === length) break;
    }
  } else {
    for (let to = length; ; to -= size - stride) {
      const from = Math.max(0, to - size);
      windows.push([from, to]);
      if (from === 0) break;
    }
  }
  return windows.map((window) => (second === undefined ? [window] : cutSecond ? [[0, first], window] : [window, [0, second]]));
}

/** Files of early versions name no type. */
function modelType(model: { readonly type?: string | undefined; readonly vocab?: unknown }): string {
  return model.type ?? ('merges' in model ? 'BPE' : Array.isArray(model.vocab) ? 'Unigram' : 'WordPiece');
}

function createModel(model: { readonly type?: string | undefined }, already: ReadAlready | undefined): TokenModel {
  const type = modelType(model);
  const read = <Schema extends z.ZodType>(schema: Schema): z.output<Schema> => {
    const parsed = schema.safeParse({ ...model, type });
    if (!parsed.success) throw invalid(parsed.error, 'model.');
    return parsed.data;
  };
  switch (type) {
    case 'WordPiece':
      return new WordPiece(read(wordPieceSchema), already);
    case 'BPE':
      return new BytePairEncoding(read(bytePairSchema), already);
    case 'Unigram':
      return new Unigram(read(unigramSchema), already);
    case 'WordLevel':
      return new WordLevel(read(wordLevelSchema), already);
    default:
      throw new ModelportError('INVALID_MODEL', `tokenizer.json: model.type is ${JSON.stringify(type.slice(0, 80))}; there are ${models}`);
  }
}

function invalid(error: z.ZodError, prefix = ''): ModelportError {
  const issue = error.issues[0]!;
  return new ModelportError('INVALID_MODEL', `tokenizer.json: ${prefix}${issue.path.join('.') || 'the file'}: ${issue.message}`);
}
