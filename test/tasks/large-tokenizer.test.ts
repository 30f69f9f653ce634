/** Vocabularies of the size that real models have: reading one leaves the event loop free, and it cuts as one that was read at once. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { PairTable } from '../../src/tasks/text/pair-table.ts';
import { openTokenizer, prepareTokenizer } from '../../src/tasks/text/text-tokenizer.ts';
import { Tokenizer } from '../../src/tasks/text/tokenizer.ts';
import { random } from '../fixtures/random.ts';
import { artifactIn } from './fake-model.ts';

const letters = 'abcdefghijklmnopqrstuvwxyzàéîöû';
const { next: chance, pick } = random(7);

function grow(count: number, prefix = ''): { tokens: string[]; merges: [string, string][] } {
  const tokens = [...letters, ...Array.from(letters, (letter) => prefix + letter)].filter((token, index, all) => all.indexOf(token) === index);
  const known = new Set(tokens);
  const merges: [string, string][] = [];
  const seconds = tokens.filter((token) => token.startsWith(prefix));
  while (tokens.length < count) {
    const pair: [string, string] = [pick(tokens), pick(seconds)];
    const token = pair[0] + pair[1].slice(prefix.length);
    if (known.has(token) || token.length > 24) continue;
    known.add(token);
    tokens.push(token);
    merges.push(pair);
  }
  return { tokens, merges };
}

const numbered = (tokens: readonly string[]): Record<string, number> => Object.fromEntries(tokens.map((token, id) => [token, id]));
const kinds: Record<string, () => unknown> = {
  BPE() {
    const { tokens, merges } = grow(50_000);
    return { type: 'BPE', vocab: numbered(['<unk>', ...tokens]), merges, unk_token: '<unk>' };
  },
  WordPiece: () => ({ type: 'WordPiece', vocab: numbered(['[UNK]', ...grow(30_000, '##').tokens]), unk_token: '[UNK]' }),
  Unigram: () => ({ type: 'Unigram', vocab: ['<unk>', ...grow(50_000).tokens].map((token) => [token, -chance() * 10]), unk_id: 0 }),
  WordLevel: () => ({ type: 'WordLevel', vocab: numbered(['<unk>', ...grow(50_000).tokens]), unk_token: '<unk>' }),
};

describe.each(Object.keys(kinds))('%s', (kind) => {
  const directory = mkdtempSync(join(tmpdir(), 'modelport-large-tokenizer-'));
  const path = join(directory, 'tokenizer.json');
  beforeAll(() => {
    writeFileSync(path, JSON.stringify({ pre_tokenizer: { type: 'WhitespaceSplit' }, added_tokens: [{ id: 60_000, content: '<end>', special: true }], model: kinds[kind]!() }));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('is read while the event loop goes on', async () => {
    const artifact = artifactIn(directory);
    const state = { done: false };
    const preparing = prepareTokenizer({ artifact });
    const end = (): void => {
      state.done = true;
    };
    preparing.then(end, end);
    let turns = 0;
    while (!state.done) {
      await setImmediate();
      turns++;
    }
    // One for each two thousand tokens at least, and those that pass while the thread reads.
    expect(turns).toBeGreaterThan(20);
    const prepared = await preparing;
    const text = openTokenizer(artifact, prepared);
    expect(text.tokenizer).toBe((prepared as { tokenizer: Tokenizer }).tokenizer);

    const file = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    const whole = new Tokenizer(file);
    let pauses = 0;
    await Tokenizer.unpack(whole.pack(file), async () => {
      pauses++;
    });
    expect(pauses).toBeGreaterThanOrEqual(15);
    const words = Array.from({ length: 300 }, () => Array.from({ length: 1 + Math.floor(chance() * 30) }, () => pick(Array.from(letters))).join('')).join(' ');
    const wanted = whole.encode(`${words} <end> 中`);
    expect(wanted.ids.length).toBeGreaterThan(300);
    expect(text.tokenizer.encode(`${words} <end> 中`)).toEqual(wanted);
    expect(await text.encode(`${words} <end> 中`, {}, new Call(), 'text')).toEqual(wanted);
    expect(text.tokenizer.decode(wanted.ids)).toBe(whole.decode(wanted.ids));
    expect(text.tokenizer.vocabularySize).toBe(60_001);
    expect(text.tokenizer.continuingPrefix).toBe(whole.continuingPrefix);
  });

  it('is not taken for a file that changed since', async () => {
    const artifact = artifactIn(directory);
    const prepared = await prepareTokenizer({ artifact });
    writeFileSync(path, `${readFileSync(path, 'utf8')} `);
    expect(openTokenizer(artifact, prepared).tokenizer).not.toBe((prepared as { tokenizer: Tokenizer }).tokenizer);
  });
});

it('says what is wrong in a large file as it does in a small one', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'modelport-large-tokenizer-'));
  const vocab = numbered(grow(10_000).tokens);
  writeFileSync(join(directory, 'tokenizer.json'), JSON.stringify({ model: { type: 'BPE', vocab, merges: [['a', 'nowhere']] } }));
  await expect(prepareTokenizer({ artifact: artifactIn(directory) })).rejects.toMatchObject({ code: 'INVALID_MODEL', message: expect.stringMatching(/merges\[0\] names "nowhere", which is not in the vocabulary/) as string });
  rmSync(directory, { recursive: true });
});

it('finds in a table what a map holds', () => {
  const table = new PairTable();
  const map = new Map<string, number>();
  for (let count = 0; count < 20_000; count++) {
    const [left, right] = [Math.floor(chance() * 300), Math.floor(chance() * 300)];
    table.set(left, right, count);
    map.set(`${left} ${right}`, count);
  }
  const same = new PairTable(table.slots);
  const wrong: string[] = [];
  for (let left = 0; left < 300; left++) for (let right = 0; right < 300; right++) if (same.get(left, right) !== map.get(`${left} ${right}`)) wrong.push(`${left} ${right}`);
  expect(wrong).toEqual([]);
});
