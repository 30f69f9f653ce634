/** The `normalizer` of tokenizer.json: a text → the text that is cut into tokens. */
import { z } from 'zod';
import type { AlignedText, Change } from './aligned-text.ts';
import { chineseCharacter, laterDecomposition, mark, nonspacingMark, removedByBert, whiteSpace } from './characters.ts';
import { PrecompiledCharacterMap } from './precompiled-character-map.ts';
import { patternSchema, toRegExp, type Pattern } from './pattern.ts';
import { byteCharacters } from './byte-characters.ts';

export type Normalize = (text: AlignedText) => AlignedText;

type Schema =
  | { type: 'BertNormalizer'; clean_text: boolean; handle_chinese_chars: boolean; strip_accents?: boolean | null | undefined; lowercase: boolean }
  | { type: 'Lowercase' | 'NFC' | 'NFD' | 'NFKC' | 'NFKD' | 'StripAccents' | 'Nmt' | 'ByteLevel' }
  | { type: 'Strip'; strip_left: boolean; strip_right: boolean }
  | { type: 'Replace'; pattern: Pattern; content: string }
  | { type: 'Prepend'; prepend: string }
  | { type: 'Precompiled'; precompiled_charsmap: string }
  | { type: 'Sequence'; normalizers: Schema[] };

export const normalizerSchema: z.ZodType<Schema> = z.lazy(() =>
  z.discriminatedUnion('type', [
    z.object({
      type: z.literal('BertNormalizer'),
      clean_text: z.boolean().default(true),
      handle_chinese_chars: z.boolean().default(true),
      strip_accents: z.boolean().nullish(),
      lowercase: z.boolean().default(true),
    }),
    z.object({ type: z.enum(['Lowercase', 'NFC', 'NFD', 'NFKC', 'NFKD', 'StripAccents', 'Nmt', 'ByteLevel']) }),
    z.object({ type: z.literal('Strip'), strip_left: z.boolean().default(true), strip_right: z.boolean().default(true) }),
    z.object({ type: z.literal('Replace'), pattern: patternSchema, content: z.string() }),
    z.object({ type: z.literal('Prepend'), prepend: z.string() }),
    z.object({ type: z.literal('Precompiled'), precompiled_charsmap: z.string() }),
    z.object({ type: z.literal('Sequence'), normalizers: z.array(normalizerSchema).max(100) }),
  ]),
);

export function createNormalizer(schema: Schema): Normalize {
  switch (schema.type) {
    case 'BertNormalizer':
      return bert(schema.clean_text, schema.handle_chinese_chars, schema.strip_accents ?? schema.lowercase, schema.lowercase);
    case 'Lowercase':
      return lowercase;
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = schema.type;
      return (text) => toForm(text, form);
    }
    case 'StripAccents':
      return (text) => (ascii.test(text.text) ? text : text.filter((character) => mark.test(character)));
    case 'Nmt':
      return nmt;
    case 'ByteLevel':
      return byteCharacters;
    case 'Strip':
      return (text) => strip(text, schema.strip_left, schema.strip_right);
    case 'Replace': {
      const pattern = toRegExp(schema.pattern);
      return (text) => text.replace(pattern, schema.content);
    }
    case 'Prepend':
      return (text) => text.prepend(schema.prepend);
    case 'Precompiled': {
      const map = new PrecompiledCharacterMap(schema.precompiled_charsmap);
      return (text) => map.normalize(text);
    }
    case 'Sequence': {
      const steps = schema.normalizers.map(createNormalizer);
      return (text) => steps.reduce((current, step) => step(current), text);
    }
  }
}

const ascii = /^\p{ASCII}*$/u;
const printable = /^[\x20-\x7e]*$/;

function bert(clean: boolean, chinese: boolean, accents: boolean, lower: boolean): Normalize {
  return (text) => {
    if (printable.test(text.text)) return lower ? lowercase(text) : text;
    let current = text;
    if (clean) {
      current = current.filter((character) => removedByBert.test(character));
      current = current.withText(current.text.replaceAll(/\p{White_Space}/gu, ' '));
    }
    if (chinese && chineseCharacter.test(current.text)) current = spaceOut(current);
    if (accents) current = toForm(current, 'NFD').filter((character) => nonspacingMark.test(character));
    return lower ? lowercase(current) : current;
  };
}

function spaceOut(text: AlignedText): AlignedText {
  const changes: Change[] = [];
  for (const character of text.text) {
    if (chineseCharacter.test(character)) changes.push([' ', 0], [character, 1], [' ', 1]);
    else changes.push([character, 0]);
  }
  return text.transform(changes);
}

/** Character by character: what stands beside a letter does not matter. */
function lowercase(text: AlignedText): AlignedText {
  // Sigma's lower case depends on its place in the word, and one letter becomes two.
  if (/[\u03a3\u0130]/.test(text.text)) return text.mapCharacters((character) => character.toLowerCase());
  return text.withText(text.text.toLowerCase());
}

function strip(text: AlignedText, left: boolean, right: boolean): AlignedText {
  const characters = Array.from(text.text);
  let from = 0;
  let to = characters.length;
  if (left) while (from < to && whiteSpace.test(characters[from]!)) from++;
  if (right) while (to > from && whiteSpace.test(characters[to - 1]!)) to--;
  if (from === 0 && to === characters.length) return text;
  const start = characters.slice(0, from).join('').length;
  return text.slice(start, start + characters.slice(from, to).join('').length);
}

/** ASCII's but for the zero and white space, and two of Latin-1's. */
const removedControls = /(?![\0\t\n\f\r\x80-\x8e\x90-\x9e])\p{Cc}/u;

/** What SentencePiece's training for translation removes or makes a space. */
function nmt(text: AlignedText): AlignedText {
  const cleaned = text.filter((character) => removedControls.test(character));
  return cleaned.withText(cleaned.text.replaceAll(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, ' '));
}

type Form = 'NFC' | 'NFD' | 'NFKC' | 'NFKD';

/** A character and the marks after it, or the parts of a Korean syllable: what normalization changes together. */
const segment = /[\u1100-\u115f\ua960-\ua97c]*[\u1160-\u11a7\ud7b0-\ud7c6]*[\u11a8-\u11ff\ud7cb-\ud7fb]+\p{M}*|[\u1100-\u115f\ua960-\ua97c]+[\u1160-\u11a7\ud7b0-\ud7c6]*\p{M}*|\P{M}\p{M}*|\p{M}+/gu;

function toForm(text: AlignedText, form: Form): AlignedText {
  if (ascii.test(text.text) || text.text.normalize(form) === text.text) return text;
  const changes: Change[] = [];
  for (const [part] of text.text.matchAll(segment)) normalizeSegment(part, form, changes);
  return text.transform(changes);
}

function normalizeSegment(part: string, form: Form, changes: Change[]): void {
  const normalized = part.normalize(form);
  if (normalized === part || laterDecomposition.test(part)) {
    for (const character of part) changes.push([character, 0]);
    return;
  }
  const decomposition = form === 'NFC' || form === 'NFD' ? 'NFD' : 'NFKD';
  // The parts of each character in the order of the text, each with its change; then in the order of the normal form.
  const parts = new Map<string, number[]>();
  for (const character of part) {
    let change = 0;
    for (const piece of character.normalize(decomposition)) {
      const list = parts.get(piece);
      if (list === undefined) parts.set(piece, [change]);
      else list.push(change);
      change = 1;
    }
  }
  const take = (piece: string): number => parts.get(piece)?.shift() ?? 0;
  for (const character of normalized) {
    if (form === 'NFD' || form === 'NFKD') {
      changes.push([character, take(character)]);
      continue;
    }
    const composed = Array.from(character.normalize('NFD'));
    changes.push([character, composed.reduce((sum, piece) => sum + take(piece), 0) - (composed.length - 1)]);
  }
}
