/** The `post_processor` of tokenizer.json: the tokens around a text or a pair, and offsets without the space that a token begins with. */
import { z } from 'zod';
import { ModelportError } from '../../errors.ts';
import { spaceCharacter } from './byte-characters.ts';
import { whiteSpace } from './characters.ts';
import type { Encoding } from './encoding.ts';

export interface PostProcessor {
  /** How many tokens it puts around one text, or two. */
  addedTokens(texts: 1 | 2): number;
  /** One or two texts, as parts in the order of the model. `special`: whether to add tokens. */
  apply(encodings: readonly Encoding[], special: boolean, texts: readonly string[]): readonly Encoding[];
}

const piece = z.union([
  z.object({ SpecialToken: z.object({ id: z.string(), type_id: z.int().min(0).default(0) }) }),
  z.object({ Sequence: z.object({ id: z.enum(['A', 'B']), type_id: z.int().min(0).default(0) }) }),
]);
type Piece = z.infer<typeof piece>;
const specialToken = z.tuple([z.string(), z.int().min(0)]);

type Schema =
  | { type: 'TemplateProcessing'; single: Piece[]; pair: Piece[]; special_tokens: Record<string, { ids: number[] }> }
  | { type: 'BertProcessing'; sep: [string, number]; cls: [string, number] }
  | { type: 'RobertaProcessing'; sep: [string, number]; cls: [string, number]; trim_offsets: boolean; add_prefix_space: boolean }
  | { type: 'ByteLevel'; trim_offsets: boolean; add_prefix_space: boolean }
  | { type: 'Sequence'; processors: Schema[] };

export const postProcessorSchema: z.ZodType<Schema> = z.lazy(() =>
  z.discriminatedUnion('type', [
    z.object({
      type: z.literal('TemplateProcessing'),
      single: z.array(piece).max(100),
      pair: z.array(piece).max(100),
      special_tokens: z.record(z.string(), z.object({ ids: z.array(z.int().min(0)).max(100) })),
    }),
    z.object({ type: z.literal('BertProcessing'), sep: specialToken, cls: specialToken }),
    z.object({ type: z.literal('RobertaProcessing'), sep: specialToken, cls: specialToken, trim_offsets: z.boolean().default(true), add_prefix_space: z.boolean().default(true) }),
    z.object({ type: z.literal('ByteLevel'), trim_offsets: z.boolean().default(true), add_prefix_space: z.boolean().default(true) }),
    z.object({ type: z.literal('Sequence'), processors: z.array(postProcessorSchema).max(20) }),
  ]),
);

/** `textOf`: how a token is written in the vocabulary; undefined: as its part of the text. */
export function createPostProcessor(schema: Schema, textOf: (id: number) => string | undefined): PostProcessor {
  switch (schema.type) {
    case 'TemplateProcessing':
      return template(schema.single, schema.pair, (name) => {
        const ids = schema.special_tokens[name]?.ids;
        if (ids === undefined) throw new ModelportError('INVALID_MODEL', `tokenizer.json: the template names ${JSON.stringify(name.slice(0, 80))}, which is not in its special_tokens`);
        return ids;
      });
    case 'BertProcessing':
      return around(schema.cls[1], schema.sep[1], 1, 1, noTrim);
    case 'RobertaProcessing':
      return around(schema.cls[1], schema.sep[1], 2, 0, schema.trim_offsets ? trim(schema.add_prefix_space, textOf) : noTrim);
    case 'ByteLevel': {
      const cut = schema.trim_offsets ? trim(schema.add_prefix_space, textOf) : noTrim;
      return {
        addedTokens: () => 0,
        apply: (encodings, _, texts) => cut(encodings, texts),
      };
    }
    case 'Sequence': {
      const steps = schema.processors.map((processor) => createPostProcessor(processor, textOf));
      return {
        addedTokens: (texts) => steps.reduce((sum, step) => sum + step.addedTokens(texts), 0),
        apply: (encodings, special, texts) => steps.reduce((current, step) => step.apply(current, special, texts), encodings),
      };
    }
  }
}

function template(single: readonly Piece[], pair: readonly Piece[], idsOf: (name: string) => readonly number[]): PostProcessor {
  type Part = { readonly sequence: number; readonly typeId: number } | { readonly special: Encoding };
  const parts = (pieces: readonly Piece[]): Part[] =>
    pieces.map((one) => ('Sequence' in one ? { sequence: one.Sequence.id === 'A' ? 0 : 1, typeId: one.Sequence.type_id } : { special: specialEncoding(idsOf(one.SpecialToken.id), one.SpecialToken.type_id) }));
  const [one, two] = [parts(single), parts(pair)];
  const count = (list: readonly Part[]): number => list.reduce((sum, part) => sum + ('special' in part ? part.special.ids.length : 0), 0);
  const counts = [count(one), count(two)] as const;
  return {
    addedTokens: (texts) => counts[texts - 1]!,
    apply: (encodings, special) =>
      (encodings.length === 1 ? one : two).flatMap((part) => {
        if ('special' in part) return special ? [part.special] : [];
        const encoding = encodings[part.sequence];
        return encoding === undefined ? [] : [{ ...encoding, typeIds: encoding.ids.map(() => part.typeId) }];
      }),
  };
}

/** `[CLS] A [SEP] B [SEP]`, with `between` separators between the texts. */
function around(classId: number, separatorId: number, between: 1 | 2, secondTypeId: number, cut: Trim): PostProcessor {
  return {
    addedTokens: (texts) => (texts === 1 ? 2 : 2 + between),
    apply: (encodings, special, texts) => {
      const [first, second] = cut(encodings, texts).map((encoding, index) => ({ ...encoding, typeIds: encoding.ids.map(() => (index === 0 ? 0 : secondTypeId)) }));
      if (!special) return second === undefined ? [first!] : [first!, second];
      const separator = specialEncoding([separatorId], 0);
      const start = specialEncoding([classId], 0);
      if (second === undefined) return [start, first!, separator];
      return [start, first!, separator, ...(between === 2 ? [separator] : []), second, specialEncoding([separatorId], secondTypeId)];
    },
  };
}

function specialEncoding(ids: readonly number[], typeId: number): Encoding {
  const zeros = ids.map(() => 0);
  const none = ids.map(() => -1);
  return { ids: [...ids], typeIds: ids.map(() => typeId), starts: zeros, ends: zeros, sequences: none, words: none };
}

type Trim = (encodings: readonly Encoding[], texts: readonly string[]) => readonly Encoding[];

const noTrim: Trim = (encodings) => encodings;

function trim(prefixed: boolean, textOf: (id: number) => string | undefined): Trim {
  return (encodings, texts) => encodings.map((encoding) => trimOffsets(encoding, texts, prefixed, textOf));
}

function trimOffsets(encoding: Encoding, texts: readonly string[], prefixed: boolean, textOf: (id: number) => string | undefined): Encoding {
  const starts = [...encoding.starts];
  const ends = [...encoding.ends];
  const isSpace = (character: string): boolean => character === spaceCharacter || whiteSpace.test(character);
  for (const [index, id] of encoding.ids.entries()) {
    const text = texts[encoding.sequences[index]!];
    if (text === undefined) continue;
    const token = textOf(id) ?? text.slice(starts[index], ends[index]);
    const first = token[0];
    // Most tokens have a space at the beginning or none.
    if (first === undefined || (!isSpace(first) && !isSpace(token.at(-1)!))) continue;
    const characters = Array.from(token);
    let leading = characters.findIndex((character) => !isSpace(character));
    if (leading === -1) leading = characters.length;
    let trailing = 0;
    while (trailing < characters.length && isSpace(characters[characters.length - 1 - trailing]!)) trailing++;
    if (leading > 0) {
      // One space at the very beginning was put there; several were not.
      if (prefixed && leading === 1 && (index === 0 || starts[index] === 0)) leading = 0;
      starts[index] = Math.min(move(text, starts[index]!, leading), ends[index]!);
    }
    if (trailing > 0) ends[index] = Math.max(move(text, ends[index]!, -trailing), starts[index]!);
  }
  return { ...encoding, starts, ends };
}

/** A place so many characters further, or before. */
function move(text: string, place: number, characters: number): number {
  let at = place;
  for (let count = 0; count < characters; count++) at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  for (let count = 0; count > characters && at > 0; count--) at -= at > 1 && (text.codePointAt(at - 2) ?? 0) > 0xffff ? 2 : 1;
  return at;
}
