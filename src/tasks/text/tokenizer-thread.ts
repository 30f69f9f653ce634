/** A worker thread that reads tokenizers and cuts long texts into tokens. See `text-tokenizer.ts`. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import type { Encoding } from './encoding.ts';
import { readJsonObject } from './model-files.ts';
import { Tokenizer, type EncodeOptions, type PackedTokenizer } from './tokenizer.ts';

giveWayToEventLoop();

/** `key` differs where the file does. */
export type TokenizerJob =
  | { readonly key: string; readonly path: string; readonly kind: 'encode' | 'encodeWindows'; readonly text: string; readonly options: EncodeOptions }
  | { readonly key: string; readonly path: string; readonly kind: 'open' };

export type TokenizerReply = { readonly result: Encoding | readonly Encoding[] | PackedTokenizer } | { readonly error: PlainError };

const mostTokenizers = 4;
/** The one that was used last comes last. */
const tokenizers = new Map<string, Tokenizer>();
const port = parentPort!;

function keep(key: string, tokenizer: Tokenizer): Tokenizer {
  tokenizers.delete(key);
  tokenizers.set(key, tokenizer);
  if (tokenizers.size > mostTokenizers) tokenizers.delete(tokenizers.keys().next().value!);
  return tokenizer;
}

function done(job: TokenizerJob): Encoding | readonly Encoding[] | PackedTokenizer {
  const { key, path, kind } = job;
  if (kind !== 'open') return keep(key, tokenizers.get(key) ?? new Tokenizer(readJsonObject(path)))[kind](job.text, job.options);
  const file = readJsonObject(path);
  return keep(key, new Tokenizer(file)).pack(file);
}

port.on('message', (job: TokenizerJob) => {
  let reply: TokenizerReply;
  try {
    reply = { result: done(job) };
  } catch (error) {
    reply = { error: toPlainError(error) };
  }
  port.postMessage(reply, []);
});
