/** A worker thread that cuts long texts into tokens. See `text-tokenizer.ts`. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import type { Encoding } from './encoding.ts';
import { readJsonObject } from './model-files.ts';
import { Tokenizer, type EncodeOptions } from './tokenizer.ts';

export interface TokenizerJob {
  /** Differs where the file does. */
  readonly key: string;
  readonly path: string;
  readonly kind: 'encode' | 'encodeWindows';
  readonly text: string;
  readonly options: EncodeOptions;
}

export type TokenizerReply = { readonly result: Encoding | readonly Encoding[] } | { readonly error: PlainError };

const mostTokenizers = 4;
/** The one that was used last comes last. */
const tokenizers = new Map<string, Tokenizer>();
const port = parentPort!;

function tokenizerOf({ key, path }: TokenizerJob): Tokenizer {
  const tokenizer = tokenizers.get(key) ?? new Tokenizer(readJsonObject(path));
  tokenizers.delete(key);
  tokenizers.set(key, tokenizer);
  if (tokenizers.size > mostTokenizers) tokenizers.delete(tokenizers.keys().next().value!);
  return tokenizer;
}

port.on('message', (job: TokenizerJob) => {
  let reply: TokenizerReply;
  try {
    reply = { result: tokenizerOf(job)[job.kind](job.text, job.options) };
  } catch (error) {
    reply = { error: toPlainError(error) };
  }
  port.postMessage(reply, []);
});
