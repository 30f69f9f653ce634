/** The `added_tokens` of tokenizer.json: texts that are one token wherever they stand, such as `[MASK]`. */
import { z } from 'zod';
import type { AlignedText } from './aligned-text.ts';
import { whiteSpace, wordCharacter } from './characters.ts';

export const addedTokenSchema = z.object({
  id: z.int().min(0),
  content: z.string(),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().optional(),
  special: z.boolean().default(false),
});

export type AddedToken = z.infer<typeof addedTokenSchema>;

/** A part of the text; `id` where it is an added token. */
export interface TextPart {
  readonly text: AlignedText;
  readonly id?: number;
}

export class AddedTokenFinder {
  /** By first unit; the longest first. */
  readonly #byFirst = new Map<number, { readonly content: string; readonly token: AddedToken }[]>();

  /** `contents`: each token as it stands in the text that is searched. */
  constructor(tokens: readonly { readonly content: string; readonly token: AddedToken }[]) {
    for (const entry of tokens) {
      if (entry.content === '') continue;
      const first = entry.content.charCodeAt(0);
      const list = this.#byFirst.get(first);
      if (list === undefined) this.#byFirst.set(first, [entry]);
      else list.push(entry);
    }
    for (const list of this.#byFirst.values()) list.sort((left, right) => right.content.length - left.content.length);
  }

  split(text: AlignedText): TextPart[] {
    const string = text.text;
    const parts: TextPart[] = [];
    let last = 0;
    for (let index = 0; index < string.length; index++) {
      const candidates = this.#byFirst.get(string.charCodeAt(index));
      if (candidates === undefined) continue;
      const found = candidates.find(({ content }) => string.startsWith(content, index));
      if (found === undefined) continue;
      const { token } = found;
      let from = index;
      let to = index + found.content.length;
      // Also where it is none: what was found is not looked into again.
      index = to - 1;
      if (token.single_word && !(standsAlone(string, from, -1) && standsAlone(string, to, 1))) continue;
      if (token.lstrip) while (from > last && whiteSpace.test(string[from - 1]!)) from--;
      if (token.rstrip) while (to < string.length && whiteSpace.test(string[to]!)) to++;
      if (from < last) from = last;
      if (to < last) continue;
      if (last < from) parts.push({ text: text.slice(last, from) });
      parts.push({ text: text.slice(from, to), id: token.id });
      last = to;
    }
    if (last === 0) return string === '' ? [] : [{ text: text.slice(0, string.length) }];
    if (last < string.length) parts.push({ text: text.slice(last, string.length) });
    return parts;
  }
}

/** Whether no word goes on before (-1) or after (1) that place. */
function standsAlone(text: string, place: number, side: -1 | 1): boolean {
  if (side === 1) return place >= text.length || !wordCharacter.test(String.fromCodePoint(text.codePointAt(place)!));
  if (place === 0) return true;
  const low = text.charCodeAt(place - 1);
  const pair = low >= 0xdc00 && low <= 0xdfff && place > 1;
  return !wordCharacter.test(pair ? text.slice(place - 2, place) : text[place - 1]!);
}
