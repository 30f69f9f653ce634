/** Equality with the Rust library `tokenizers`, which made the fixtures by scripts/parity/text_tokenizers.py; and what happens to damaged files. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import type { Encoding } from '../../src/tasks/text/encoding.ts';
import { fromOniguruma, mayBacktrack } from '../../src/tasks/text/regular-expression.ts';
import { openTokenizer } from '../../src/tasks/text/text-tokenizer.ts';
import { characterPositions } from '../../src/tasks/text/text-value.ts';
import { Tokenizer } from '../../src/tasks/text/tokenizer.ts';
import { artifactIn } from './fake-model.ts';

const folder = join(import.meta.dirname, '..', 'fixtures', 'tokenizers');
const read = (name: string): unknown => JSON.parse(readFileSync(join(folder, name), 'utf8'));
const { texts, pairs } = read('corpus.json') as { texts: string[]; pairs: [string, string][] };
const digests = read('digests.json') as Record<string, string[]>;

/** As the library says it: offsets in characters. */
function rowOf(encoding: Encoding, first: string, second = ''): number[][] {
  const positions = [characterPositions(first), characterPositions(second)];
  const inCharacters = (list: readonly number[]): number[] => list.map((place, index) => positions[Math.max(0, encoding.sequences[index]!)]!(place));
  return [encoding.ids, encoding.typeIds, inCharacters(encoding.starts), inCharacters(encoding.ends)];
}

describe('ids, type ids, offsets and decoded text', () => {
  it.each(Object.keys(digests))('%s', (name) => {
    const tokenizer = new Tokenizer(read(`${name}.json`));
    const wrong: string[] = [];
    for (const [index, [first, second]] of [...texts.map((text): [string, string?] => [text]), ...pairs].entries()) {
      const encoding = tokenizer.encode(first, second === undefined ? {} : { pair: second });
      const row = JSON.stringify([...rowOf(encoding, first, second), tokenizer.decode(encoding.ids)]);
      if (createHash('sha1').update(row).digest('hex').slice(0, 10) !== digests[name]![index]) wrong.push(first);
    }
    expect(wrong).toEqual([]);
    expect(texts.length).toBeGreaterThan(300);
  });
});

describe('cutting to a length', () => {
  type Case = { options: { max_length: number; stride: number; direction?: 'left'; strategy?: string }; text: string; pair?: string; windows: number[][][] };
  const cases = Object.entries(read('cut.json') as Record<string, Case[]>).flatMap(([name, list]) => list.map((one): [string, Case] => [`${name} ${JSON.stringify(one.options)}`, one]));
  it.each(cases)('%s', (name, { options, text, pair, windows }) => {
    const tokenizer = new Tokenizer(read(`${name.split(' ')[0]}.json`));
    const given = {
      maxTokens: options.max_length,
      stride: options.stride,
      truncationSide: options.direction ?? ('right' as const),
      truncate: options.strategy === 'only_second' ? ('second' as const) : options.strategy === 'only_first' ? ('first' as const) : ('longest' as const),
      ...(pair === undefined ? {} : { pair }),
    };
    const whole = tokenizer.encode(text, given);
    expect(rowOf(whole, text, pair)).toEqual(windows[0]);
    expect(whole.truncated).toBe(true);
    // The library gives windows after the first the type ids 0 and 1 whatever the template says; ours are all alike.
    const comparable = (rows: number[][][]): number[][][] => (name.startsWith('bert') ? rows : rows.map(([ids, , starts, ends], index) => [ids!, index === 0 ? rows[0]![1]! : [], starts!, ends!]));
    expect(comparable(tokenizer.encodeWindows(text, given).map((window) => rowOf(window, text, pair)))).toEqual(comparable(windows));
  });
});

describe('long texts', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'modelport-tokenizer-'));
    for (const name of ['tokenizer.json']) writeFileSync(join(directory, name), readFileSync(join(folder, 'bert-uncased.json')));
    writeFileSync(join(directory, 'tokenizer_config.json'), '{"model_max_length": 64, "mask_token": {"content": "[MASK]"}}');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('are cut in a thread, with the same result, while timers run', async () => {
    const text = openTokenizer(artifactIn(directory));
    const long = texts.join(' ').repeat(20);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    const found = await text.encode(long, { maxTokens: 1000 }, new Call(), 'text');
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(0);
    expect(found).toEqual(new Tokenizer(read('bert-uncased.json')).encode(long, { maxTokens: 1000 }));
    expect(await text.encodeWindows(long.slice(0, 3000), { maxTokens: 100, stride: 10 }, new Call(), 'text')).toEqual(new Tokenizer(read('bert-uncased.json')).encodeWindows(long.slice(0, 3000), { maxTokens: 100, stride: 10 }));
  });

  it('are refused beyond a million characters, and when nobody waits', async () => {
    const text = openTokenizer(artifactIn(directory));
    await expect(text.encode('a'.repeat(1_000_001), {}, new Call(), 'text')).rejects.toMatchObject({ code: 'BODY_TOO_LARGE', message: expect.stringMatching(/1000001 characters/) as string });
    const call = new Call();
    const waiting = text.encode('word '.repeat(20_000), {}, call, 'text');
    call.cancel();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  });

  it('knows the special tokens and the longest input', () => {
    const { special, maxTokens } = openTokenizer(artifactIn(directory));
    expect(special).toMatchObject({ mask: new Tokenizer(read('bert-uncased.json')).idOf('[MASK]'), pad: 0, classification: 2, separator: 3 });
    expect(maxTokens).toBe(64);
    expect(() => openTokenizer(artifactIn(tmpdir()))).toThrow(/there is no tokenizer\.json in/);
  });

  it.each(['bert-uncased', 'gpt2', 'xlm-roberta', 'llama2', 'possessive'])('%s: a word of 100,000 letters takes no quadratic time', (name) => {
    const tokenizer = new Tokenizer(read(`${name}.json`));
    // Quadratic time would be minutes, beyond the limit of any test.
    expect(tokenizer.encode('ab'.repeat(50_000)).ids.length).toBeGreaterThan(0);
  });
});

describe('patterns', () => {
  it.each<[string, string, string[]]>([
    ['(?i:ab|c)d?', 'ABd aB Cd', ['ABd', 'aB', 'Cd']],
    ['\\p{L}++\\d', 'ab1 ab', ['ab1']],
    ['[[:alpha:]]+', 'ab1cé', ['ab', 'cé']],
    ['[\\w&&[^\\d]]+', 'a1', []],
    ['(?>a+)b', 'aab', ['aab']],
    ['\\h{2}', 'xf0', ['f0']],
    ['[^\\s\\p{L}]', 'a-', ['-']],
    ['\\p{Han}+', 'a中文', ['中文']],
    ['a{2,}?', 'aaaa', ['aa', 'aa']],
  ])('%s', (pattern, text, wanted) => {
    if (pattern.includes('[^\\d]]')) expect(() => fromOniguruma(pattern)).toThrow(/negated class within a class/);
    else expect([...text.matchAll(fromOniguruma(pattern))].map(([match]) => match)).toEqual(wanted);
  });

  it.each(['(?<name>a)', 'a(', 'a)', '[a', '\\k<x>', '*a', '\\p{Nonsense}', '('.repeat(200)])('%s is refused', (pattern) => {
    expect(() => fromOniguruma(pattern)).toThrow(expect.objectContaining({ code: 'INVALID_MODEL' }) as Error);
  });
});

it('damaged files are refused with a reason, and never read for long (fuzz)', () => {
  const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
  const sources = readdirSync(folder).filter((name) => digests[name.replace('.json', '')] !== undefined).map((name) => readFileSync(join(folder, name), 'utf8')).filter((text) => text.length < 9000);
  let state = 99;
  const random = (limit: number): number => (state = (state * 1103515245 + 12345) & 0x7fffffff) % limit;
  const odd = ['null', '[]', '{}', '-1', '1e99', '"x"', 'true', '[[["a"]]]', '{"type":"Sequence"}'];
  let refused = 0;
  for (let run = 0; run < runs; run++) {
    const source = sources[run % sources.length]!;
    const values = [...source.matchAll(/:("[^"]*"|\d+|true|false|null)/g)];
    const match = values[random(Math.min(values.length, 200))]!;
    const text = `${source.slice(0, match.index)}:${odd[random(odd.length)]}${source.slice(match.index + match[0].length)}`;
    try {
      new Tokenizer(JSON.parse(text)).encode('Hello [MASK] wörld 😀');
    } catch (error) {
      if (!isModelportError(error)) throw error;
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(runs / 10);
});

describe('patterns that may be tried in very many ways', () => {
  it.each(['(a+)+$', '(?:a|aa)*b', '(a?a)+', '(?:\\p{L}+ ?)+', '(?:a*)*', '(?:x+y?){9}', '(?:a+){2,}', 'a*a*a*b', '(?i:(a|b|ab)+)c', '(?=(a+)+$)'])('%s', (pattern) => {
    expect(mayBacktrack(pattern)).toBe(true);
  });

  it.each([
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s+",
    '\\d{1,3}(?=(?:\\d{3})*\\b)',
    '(?>a+)b',
    '(?:ab)+',
    'a++b*+c?+',
    ' {2,}',
  ])('real ones have none: %s', (pattern) => {
    expect(mayBacktrack(pattern)).toBe(false);
  });

  const folderOf = (file: object): string => {
    const place = mkdtempSync(join(tmpdir(), 'modelport-pattern-'));
    writeFileSync(join(place, 'tokenizer.json'), JSON.stringify(file));
    return place;
  };
  const model = { type: 'WordLevel', vocab: { a: 0, b: 1, '<unk>': 2 }, unk_token: '<unk>' };

  it('are tried in a thread that is ended, while the event loop goes on; the next text is cut as ever', async () => {
    const place = folderOf({ pre_tokenizer: { type: 'Split', pattern: { Regex: '(?:a+)+$' }, behavior: 'Isolated' }, model });
    const text = openTokenizer(artifactIn(place), undefined, 300);
    const state = { done: false };
    const unlucky = text.encode(`${'a'.repeat(60)}b`, {}, new Call(), 'text');
    const end = (): void => {
      state.done = true;
    };
    unlucky.then(end, end);
    let turns = 0;
    while (!state.done) {
      await new Promise((resolve) => setImmediate(resolve));
      turns++;
    }
    await expect(unlucky).rejects.toMatchObject({ code: 'RUN_FAILED', message: expect.stringMatching(/texts was ended, because it needed more than 300 ms/) as string });
    expect(turns).toBeGreaterThan(10);
    await expect(openTokenizer(artifactIn(place)).encode('a', {}, new Call(), 'text')).resolves.toMatchObject({ ids: [0] });
    rmSync(place, { recursive: true });
  });

  it.each([{ normalizer: { type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' } }, { decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { Regex: '(a+)+$' }, content: '' }] } }])('are refused where they run at loading or with every token: %j', (part) => {
    expect(() => new Tokenizer({ model, ...part })).toThrow(/has a pattern that may be tried in very many ways/);
  });
});
