/** GPT-2's way to write bytes as visible characters: a byte that is a visible Latin-1 character stands for itself, others for characters from U+0100 on. */
import type { AlignedText } from './aligned-text.ts';

const characterOfByte: string[] = [];
const byteOfCharacter = new Map<string, number>();

let next = 256;
for (let byte = 0; byte < 256; byte++) {
  const visible = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
  const character = String.fromCharCode(visible ? byte : next++);
  characterOfByte.push(character);
  byteOfCharacter.set(character, byte);
}

const encoder = new TextEncoder();
const visibleAscii = /^[\x21-\x7e]*$/;
const spacedAscii = /^[\x20-\x7e]*$/;

/** Each character as the characters of its UTF-8 bytes. */
export function byteCharacters(text: AlignedText): AlignedText {
  if (visibleAscii.test(text.text)) return text;
  if (spacedAscii.test(text.text)) return text.withText(text.text.replaceAll(' ', characterOfByte[32]!));
  return text.mapCharacters(charactersOf);
}

function charactersOf(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 128) return characterOfByte[code]!;
  let result = '';
  for (const byte of encoder.encode(character)) result += characterOfByte[byte]!;
  return result;
}

/** The bytes that a token's characters stand for; undefined where one stands for none. */
export function bytesOf(token: string): number[] | undefined {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = byteOfCharacter.get(character);
    if (byte === undefined) return undefined;
    bytes.push(byte);
  }
  return bytes;
}

export const spaceCharacter = characterOfByte[32]!;
