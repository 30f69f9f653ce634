/** The `decoder` of tokenizer.json: tokens → text. */
import { z } from 'zod';
import { bytesOf } from './byte-characters.ts';
import { patternSchema, toRegExp, type Pattern } from './pattern.ts';

/** Tokens → parts of the text. */
export type Decode = (tokens: readonly string[]) => readonly string[];

type Schema =
  | { type: 'ByteLevel' | 'ByteFallback' | 'Fuse' }
  | { type: 'WordPiece'; prefix: string; cleanup: boolean }
  | { type: 'Metaspace'; replacement: string; prepend_scheme?: 'always' | 'first' | 'never' | undefined; add_prefix_space?: boolean | undefined }
  | { type: 'BPEDecoder'; suffix: string }
  | { type: 'Strip'; content: string; start: number; stop: number }
  | { type: 'Replace'; pattern: Pattern; content: string }
  | { type: 'CTC'; pad_token: string; word_delimiter_token: string; cleanup: boolean }
  | { type: 'Sequence'; decoders: Schema[] };

export const decoderSchema: z.ZodType<Schema> = z.lazy(() =>
  z.discriminatedUnion('type', [
    z.object({ type: z.enum(['ByteLevel', 'ByteFallback', 'Fuse']) }),
    z.object({ type: z.literal('WordPiece'), prefix: z.string().default('##'), cleanup: z.boolean().default(true) }),
    z.object({ type: z.literal('Metaspace'), replacement: z.string().default('▁'), prepend_scheme: z.enum(['always', 'first', 'never']).optional(), add_prefix_space: z.boolean().optional() }),
    z.object({ type: z.literal('BPEDecoder'), suffix: z.string().default('</w>') }),
    z.object({ type: z.literal('Strip'), content: z.string(), start: z.int().min(0).default(0), stop: z.int().min(0).default(0) }),
    z.object({ type: z.literal('Replace'), pattern: patternSchema, content: z.string() }),
    z.object({ type: z.literal('CTC'), pad_token: z.string().default('<pad>'), word_delimiter_token: z.string().default('|'), cleanup: z.boolean().default(true) }),
    z.object({ type: z.literal('Sequence'), decoders: z.array(decoderSchema).max(50) }),
  ]),
);

const encoder = new TextEncoder();
const lossy = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function createDecoder(schema: Schema): Decode {
  switch (schema.type) {
    case 'ByteLevel':
      return (tokens) => [lossy.decode(Uint8Array.from(tokens.flatMap((token) => bytesOf(token) ?? [...encoder.encode(token)])))];
    case 'ByteFallback':
      return decodeBytes;
    case 'Fuse':
      return (tokens) => [tokens.join('')];
    case 'WordPiece':
      return (tokens) =>
        tokens.map((token, index) => {
          const text = index === 0 ? token : token.startsWith(schema.prefix) ? token.slice(schema.prefix.length) : ` ${token}`;
          return schema.cleanup ? cleanUp(text) : text;
        });
    case 'Metaspace': {
      const prefixed = schema.prepend_scheme === undefined ? schema.add_prefix_space !== false : schema.prepend_scheme !== 'never';
      return (tokens) => tokens.map((token, index) => token.replaceAll(schema.replacement, index === 0 && prefixed ? '' : ' '));
    }
    case 'BPEDecoder':
      return (tokens) => tokens.map((token, index) => token.replaceAll(schema.suffix, index === tokens.length - 1 ? '' : ' '));
    case 'Strip':
      return (tokens) => tokens.map((token) => strip(token, schema.content, schema.start, schema.stop));
    case 'Replace': {
      const pattern = toRegExp(schema.pattern);
      return (tokens) => tokens.map((token) => token.replace(pattern, () => schema.content));
    }
    case 'CTC':
      return (tokens) =>
        tokens
          .filter((token, index) => token !== tokens[index - 1])
          .map((token) => {
            const text = token.replaceAll(schema.pad_token, '');
            return schema.cleanup ? cleanUp(text).replaceAll(schema.word_delimiter_token, ' ') : text;
          })
          .filter((text) => text !== '');
    case 'Sequence': {
      const steps = schema.decoders.map(createDecoder);
      return (tokens) => steps.reduce((current, step) => step(current), tokens);
    }
  }
}

/** English as people write it, without spaces before signs. */
export function cleanUp(text: string): string {
  return text
    .replaceAll(' .', '.')
    .replaceAll(' ?', '?')
    .replaceAll(' !', '!')
    .replaceAll(' ,', ',')
    .replaceAll(" ' ", "'")
    .replaceAll(" n't", "n't")
    .replaceAll(" 'm", "'m")
    .replaceAll(' do not', " don't")
    .replaceAll(" 's", "'s")
    .replaceAll(" 've", "'ve")
    .replaceAll(" 're", "'re");
}

/** `<0xE2>` and its followers as the characters that they are the bytes of. */
function decodeBytes(tokens: readonly string[]): string[] {
  const parts: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      parts.push(strict.decode(Uint8Array.from(bytes)));
    } catch {
      for (let count = 0; count < bytes.length; count++) parts.push('\ufffd');
    }
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    if (byte === null) {
      flush();
      parts.push(token);
    } else bytes.push(Number.parseInt(byte[1]!, 16));
  }
  flush();
  return parts;
}

function strip(token: string, content: string, start: number, stop: number): string {
  const characters = Array.from(token);
  let from = 0;
  while (from < start && characters[from] === content) from++;
  let to = characters.length;
  for (let count = 0; count < stop && to > 0 && characters[to - 1] === content; count++) to--;
  return characters.slice(from, Math.max(from, to)).join('');
}
