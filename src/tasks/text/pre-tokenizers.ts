/** The `pre_tokenizer` of tokenizer.json: a text → the words within which tokens are found. */
import { z } from 'zod';
import type { AlignedText } from './aligned-text.ts';
import { byteCharacters } from './byte-characters.ts';
import { punctuation, wordsAndPunctuation } from './characters.ts';
import { patternSchema, toRegExp, type Pattern } from './pattern.ts';
import { fromLiteral } from './regular-expression.ts';
import { ModelportError } from '../../errors.ts';

export type PreTokenize = (text: AlignedText) => AlignedText[];

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
type Behavior = (typeof behaviors)[number];

type Schema =
  | { type: 'BertPreTokenizer' | 'Whitespace' | 'WhitespaceSplit' }
  | { type: 'ByteLevel'; add_prefix_space: boolean; use_regex: boolean }
  | { type: 'Metaspace'; replacement: string; prepend_scheme?: 'always' | 'first' | 'never' | undefined; add_prefix_space?: boolean | undefined; split: boolean }
  | { type: 'Split'; pattern: Pattern; behavior: Behavior; invert: boolean }
  | { type: 'Punctuation'; behavior: Behavior }
  | { type: 'Digits'; individual_digits: boolean }
  | { type: 'CharDelimiterSplit'; delimiter: string }
  | { type: 'FixedLength'; length: number }
  | { type: 'Sequence'; pretokenizers: Schema[] };

export const preTokenizerSchema: z.ZodType<Schema> = z.lazy(() =>
  z.discriminatedUnion('type', [
    z.object({ type: z.enum(['BertPreTokenizer', 'Whitespace', 'WhitespaceSplit']) }),
    z.object({ type: z.literal('ByteLevel'), add_prefix_space: z.boolean().default(true), use_regex: z.boolean().default(true) }),
    z.object({
      type: z.literal('Metaspace'),
      replacement: z.string().default('▁'),
      prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
      add_prefix_space: z.boolean().optional(),
      split: z.boolean().default(true),
    }),
    z.object({ type: z.literal('Split'), pattern: patternSchema, behavior: z.enum(behaviors), invert: z.boolean().default(false) }),
    z.object({ type: z.literal('Punctuation'), behavior: z.enum(behaviors).default('Isolated') }),
    z.object({ type: z.literal('Digits'), individual_digits: z.boolean().default(false) }),
    z.object({ type: z.literal('CharDelimiterSplit'), delimiter: z.string().min(1) }),
    z.object({ type: z.literal('FixedLength'), length: z.int().min(1) }),
    z.object({ type: z.literal('Sequence'), pretokenizers: z.array(preTokenizerSchema).max(100) }),
  ]),
);

/** GPT-2's words. */
const byteLevelWords = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;
const asciiBertWords = /[!-/:-@[-`{-~]|[^!-/:-@[-`{-~\s]+/g;
const ascii = /^\p{ASCII}*$/u;

export function createPreTokenizer(schema: Schema): PreTokenize {
  switch (schema.type) {
    case 'BertPreTokenizer':
      return (text) => matches(text, ascii.test(text.text) ? asciiBertWords : wordsAndPunctuation);
    case 'Whitespace':
      return (text) => matches(text, /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d\p{White_Space}]+/gu);
    case 'WhitespaceSplit':
      return (text) => matches(text, /\P{White_Space}+/gu);
    case 'ByteLevel':
      return (text) => {
        const prefixed = schema.add_prefix_space && !text.text.startsWith(' ') ? text.prepend(' ') : text;
        return (schema.use_regex ? matches(prefixed, byteLevelWords) : [prefixed]).map(byteCharacters);
      };
    case 'Metaspace':
      return metaspace(schema.replacement, schema.prepend_scheme ?? (schema.add_prefix_space === false ? 'never' : 'always'), schema.split);
    case 'Split': {
      const pattern = toRegExp(schema.pattern);
      return (text) => split(text, pattern, schema.behavior, schema.invert);
    }
    case 'Punctuation':
      return (text) => split(text, punctuation, schema.behavior, false);
    case 'Digits':
      return schema.individual_digits ? (text) => split(text, /\p{N}/gu, 'Isolated', false) : (text) => split(text, /\p{N}/gu, 'Contiguous', false);
    case 'CharDelimiterSplit': {
      const pattern = fromLiteral(schema.delimiter);
      return (text) => split(text, pattern, 'Removed', false);
    }
    case 'FixedLength': {
      const pattern = new RegExp(`[\\s\\S]{1,${schema.length}}`, 'gu');
      return (text) => matches(text, pattern);
    }
    case 'Sequence': {
      const steps = schema.pretokenizers.map(createPreTokenizer);
      return (text) => steps.reduce<AlignedText[]>((texts, step) => texts.flatMap((part) => (part.text === '' ? [] : step(part))), [text]);
    }
  }
}

/** The parts that match; where nothing is left out, that is all. */
function matches(text: AlignedText, pattern: RegExp): AlignedText[] {
  const parts: AlignedText[] = [];
  pattern.lastIndex = 0;
  for (let match = pattern.exec(text.text); match !== null; match = pattern.exec(text.text)) {
    const from = match.index;
    const to = from + match[0].length;
    parts.push(text.slice(from, to));
  }
  return parts;
}

function metaspace(replacement: string, prepend: 'always' | 'first' | 'never', splits: boolean): PreTokenize {
  if (Array.from(replacement).length !== 1) throw new ModelportError('INVALID_MODEL', `tokenizer.json has a Metaspace whose replacement is ${JSON.stringify(replacement.slice(0, 20))}, which is not one character`);
  const words = fromLiteral(replacement);
  return (text) => {
    let current = replacement.length === 1 ? text.withText(text.text.replaceAll(' ', replacement)) : text.replace(/ /g, replacement);
    const wanted = prepend === 'always' || (prepend === 'first' && text.base === 0);
    if (wanted && !current.text.startsWith(replacement)) current = current.prepend(replacement);
    return splits ? split(current, words, 'MergedWithNext', false) : [current];
  };
}

interface Span {
  from: number;
  to: number;
  matched: boolean;
}

/** What `pattern` finds is a delimiter: removed, a word of its own, or part of a neighbour. `inverted`: all but what it finds is. */
function split(text: AlignedText, pattern: RegExp, behavior: Behavior, inverted: boolean): AlignedText[] {
  const spans: Span[] = [];
  let last = 0;
  const add = (from: number, to: number, matched: boolean): void => {
    if (from < to) spans.push({ from, to, matched: matched !== inverted });
  };
  for (const match of text.text.matchAll(pattern)) {
    const from = match.index;
    const to = from + match[0].length;
    if (from === to) continue;
    add(last, from, false);
    add(from, to, true);
    last = to;
  }
  add(last, text.text.length, false);
  return join(spans, behavior).map(({ from, to }) => text.slice(from, to));
}

function join(spans: readonly Span[], behavior: Behavior): Span[] {
  const joined: Span[] = [];
  switch (behavior) {
    case 'Removed':
      return spans.filter((span) => !span.matched);
    case 'Isolated':
      return [...spans];
    case 'Contiguous': {
      for (const span of spans) {
        const before = joined.at(-1);
        if (before !== undefined && before.matched === span.matched) before.to = span.to;
        else joined.push({ ...span });
      }
      return joined;
    }
    case 'MergedWithPrevious': {
      let beforeMatched = false;
      for (const span of spans) {
        const before = joined.at(-1);
        if (span.matched && !beforeMatched && before !== undefined) before.to = span.to;
        else joined.push({ ...span });
        beforeMatched = span.matched;
      }
      return joined;
    }
    case 'MergedWithNext': {
      let afterMatched = false;
      for (const span of [...spans].reverse()) {
        const after = joined.at(-1);
        if (span.matched && !afterMatched && after !== undefined) after.from = span.from;
        else joined.push({ ...span });
        afterMatched = span.matched;
      }
      return joined.reverse();
    }
  }
}
