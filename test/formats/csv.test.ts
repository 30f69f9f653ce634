import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvLine, readCsv, type CsvOptions, type CsvRecord } from '../../src/formats/csv.ts';

/** Read in pieces of `size` bytes: what a file system gives. */
async function read(text: string | Uint8Array, options: CsvOptions = {}, size = 7): Promise<CsvRecord[]> {
  const bytes = Buffer.from(text);
  const chunks = (async function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  })();
  return collect(readCsv(chunks, options));
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

const cellsOf = (records: readonly CsvRecord[]) => records.map((record) => ('cells' in record ? record.cells : record.problem));

describe('records', () => {
  it('have quotation marks, line ends and delimiters in cells, and the line that they begin on', async () => {
    expect(await read('a,b\r\n"x, ""y""","line 1\nline 2"\n\n3,\n')).toEqual([
      { line: 1, cells: ['a', 'b'] },
      { line: 2, cells: ['x, "y"', 'line 1\nline 2'] },
      { line: 5, cells: ['3', ''] },
    ]);
  });

  it('are told apart by the delimiter that the first line has most of', async () => {
    for (const delimiter of [',', ';', '\t', '|']) expect(cellsOf(await read(`a${delimiter}"b,b"${delimiter}c\n1${delimiter}2,5${delimiter}3\n`))[1]).toEqual(delimiter === ',' ? ['1', '2', '5', '3'] : ['1', '2,5', '3']);
  });

  it('end with the file, line end or not', async () => {
    expect(cellsOf(await read('a\n"b"'))).toEqual([['a'], ['b']]);
    expect(cellsOf(await read('a\nb\r'))).toEqual([['a'], ['b']]);
    expect(await read('')).toEqual([]);
  });
});

describe('records that can not be read', () => {
  it('cost their own line and no other', async () => {
    const records = await read('a,b\n1,2\n"x"y,3\n4,5\n"never closed,6\n7,8\n');
    expect(records.map((record) => [record.line, 'cells' in record ? record.cells.join() : record.problem.slice(0, 30)])).toEqual([
      [1, 'a,b'], [2, '1,2'], [3, 'after the closing quotation ma'], [4, '4,5'], [5, 'a quotation mark opens here an'], [6, '7,8'],
    ]);
  });

  it('may be too long, with or without quotation marks', async () => {
    for (const long of ['x'.repeat(500), `"${'x'.repeat(500)}"`]) {
      for (const size of [7, 100, 100_000]) {
        const records = await read(`a,b\n${long},1\n2,3\n`, { maxRecordLength: 100 }, size);
        expect(records.map(({ line }) => line)).toEqual([1, 2, 3]);
        expect(records[1]).toHaveProperty('problem');
        expect(records[2]).toMatchObject({ cells: ['2', '3'] });
      }
    }
  });
});

it('what is written is read back, and another reader reads it alike', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', ' ', '"', ',', ';', '\n', '\r', 'é', '1'), maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 40 }), async (rows, size) => {
      // A record of nothing but blanks is no record.
      const table = [['head', 'er'], ...rows.map((row) => ['x', ...row])];
      const text = table.map((row) => csvLine(row)).join('');
      expect(cellsOf(await read(text, { delimiter: ',' }, size))).toEqual(table);
      expect(parse(text, { relax_column_count: true, delimiter: ',', record_delimiter: '\n' })).toEqual(table);
    }),
    { numRuns: 300 },
  );
});

it('fuzz: any bytes are read to their end, alike in any pieces', async () => {
  const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: fc.constantFrom('a', '"', '"', ',', '\n', '\r', '\n', ';'), maxLength: 60 }), fc.integer({ min: 1, max: 20 }), async (text, size) => {
      const whole = await read(text, { maxRecordLength: 1000 }, 10_000);
      expect(await read(text, { maxRecordLength: 1000 }, size)).toEqual(whole);
      const lines = whole.map(({ line }) => line);
      expect(lines).toEqual([...new Set(lines)].sort((a, b) => a - b));
      expect(lines.at(-1) ?? 1).toBeLessThanOrEqual(text.split('\n').length);
      // Nothing that has no quotation mark is lost.
      if (!text.includes('"')) expect(whole.length).toBe(text.split('\n').filter((line) => line.trim() !== '').length);
    }),
    { numRuns: runs, seed: 7 },
  );
});
