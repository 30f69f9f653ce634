/** The pure parts behind inputs and outputs of every kind. */
import { describe, expect, test } from 'vitest';
import { answerCells } from '../../ui/src/outputs/answer-cells.ts';
import { joinParts, replyText } from '../../ui/src/outputs/joined-parts.ts';
import { joinPieces } from '../../ui/src/outputs/joined-pieces.ts';
import { labelScoresOf, namedScoresOf } from '../../ui/src/outputs/label-scores.ts';
import { splitSpans } from '../../ui/src/outputs/text-spans.ts';
import { formatRow, parseDelimited, rowsByColumn } from '../../ui/src/inputs/delimited-text.ts';
import { bytesOf, formatSize, sizeBytesOf } from '../../ui/src/data-url.ts';
import { encodeWave } from '../../ui/src/inputs/encode-wave.ts';
import { batchOf } from '../../ui/src/endpoints/batch-of.ts';
import { batchSizesBetween, failuresBetween, phasesBetween } from '../../ui/src/dashboard-figures.ts';
import { parsePrometheus } from '../../ui/src/prometheus.ts';
import { fieldsOf, problemsOf, readCell, type FieldOf } from '../../ui/src/schema.ts';
import { readEvents } from '../../ui/src/server-events.ts';
import { fuzzRuns, random } from '../fixtures/random.ts';

const file = { type: 'string', format: 'binary', contentMediaType: 'application/octet-stream' };

test('every kind of schema has its field', () => {
  const kinds = fieldsOf({
    type: 'object',
    properties: {
      sound: { type: 'string', contentMediaType: 'audio/*', 'x-modelport': { widget: 'audio', sampleRate: 16_000 } },
      any: file,
      pdf: { type: 'string', contentMediaType: 'application/pdf' },
      several: { type: 'array', items: file, maxItems: 3 },
      pictures: { type: 'array', items: { type: 'string', format: 'image', contentMediaType: 'image/*' } },
      rows: { type: 'array', items: { type: 'object', properties: { n: { type: 'integer' }, kind: { enum: ['a', 'b'] }, on: { type: 'boolean' } }, required: ['n'] } },
      nested: { type: 'array', items: { type: 'object', properties: { deep: { type: 'object' } } } },
      captions: { type: 'array', items: { type: 'string' }, 'x-modelport': { widget: 'tags' } },
      lines: { type: 'array', items: { type: 'string' } },
      ids: { type: 'array', items: { type: 'integer' } },
      talk: { type: 'array', items: { type: 'object', properties: { role: { type: 'string' } } }, 'x-modelport': { widget: 'chat' } },
      numbers: { type: 'array', 'x-modelport': { widget: 'tensor', datatype: 'FP32', shape: [-1, 2] } },
      day: { type: 'string', format: 'date' },
      at: { type: 'string', format: 'date-time' },
      page: { type: 'string', contentMediaType: 'text/html' },
    },
  });
  expect(kinds.map(({ name, kind }) => `${name}:${kind}`)).toEqual(['sound:audio', 'any:file', 'pdf:file', 'several:file', 'pictures:file', 'rows:table', 'nested:json', 'captions:tags', 'lines:lines', 'ids:tags', 'talk:chat', 'numbers:tensor', 'day:date', 'at:date', 'page:text']);
  expect(kinds[0]).toMatchObject({ sampleRate: 16_000 });
  expect(kinds[2]).toMatchObject({ accept: 'application/pdf', many: false });
  expect(kinds[3]).toMatchObject({ accept: '', many: true, most: 3 });
  const rows = kinds[5] as FieldOf<'table'>;
  expect(rows.columns.map(({ name, type, required }) => [name, type, required])).toEqual([['n', 'number', true], ['kind', 'text', false], ['on', 'boolean', false]]);
  expect(['7', '1,5', ' ', 'x'].map((cell) => readCell(rows.columns[0]!, cell))).toEqual([7, 1.5, undefined, 'x']);
  expect(['yes', 'FALSE', '1'].map((cell) => readCell(rows.columns[2]!, cell))).toEqual([true, false, true]);
  const wrong = (value: unknown): string | undefined => problemsOf([rows], { rows: value })[0]?.message;
  expect(wrong([{ n: 1 }, { kind: 'a' }])).toBe('Row 2: n is empty.');
  expect(wrong([{ n: 'x' }])).toBe('Row 1: n is no number.');
  expect(wrong([{ n: 1, on: true }])).toBeUndefined();
});

test('cells of spreadsheets and of CSV files', () => {
  expect(parseDelimited('\uFEFFa;b\r\n"x;\n""y""";2\r\n\r\n')).toEqual([['a', 'b'], ['x;\n"y"', '2']]);
  expect(parseDelimited('1\t"2"\n3\t4')).toEqual([['1', '2'], ['3', '4']]);
  expect(rowsByColumn([['Petal length (cm)', 'other', 'Sepal_Width'], ['1', '2', '3']], ['sepal_width', 'petal_length'])).toEqual([{ petal_length: '1', sepal_width: '3' }]);
  expect(rowsByColumn([['1', '2', '3']], ['a', 'b'])).toEqual([{ a: '1', b: '2' }]);
  expect(formatRow(['a,b', 'say "x"', '-1.5', '=SUM(A1)', '+x'])).toBe(`"a,b","say ""x""",-1.5,'=SUM(A1),'+x`);
});

test('fuzz: what is written as CSV is read as it was', () => {
  const { integer, pick } = random(11);
  for (let run = 0; run < fuzzRuns; run++) {
    const rows = Array.from({ length: integer(1, 4) }, () => Array.from({ length: 3 }, () => `v${Array.from({ length: integer(0, 4) }, () => pick(['"', ',', ';', '\n', 'a', ' ', 'ü', "'"])).join('')}`));
    // The separator is told from the first line, as where a header stands there.
    const text = ['a,b,c', ...rows.map(formatRow)].join('\r\n');
    expect(parseDelimited(text).slice(1)).toEqual(rows);
  }
});

test('a text is cut at its spans, by code points; nothing is lost', () => {
  expect(splitSpans('🙂 Ada in Köln', [{ start: 9, end: 13, label: 'place' }, { start: 2, end: 5, label: 'person' }, { start: 3, end: 4, label: 'inside' }]).map(({ content, span }) => [content, span?.label])).toEqual([
    ['🙂 ', undefined], ['Ada', 'person'], [' in ', undefined], ['Köln', 'place'],
  ]);
  const { integer } = random(3);
  for (let run = 0; run < fuzzRuns; run++) {
    const text = 'aé🙂z\u0301'.repeat(integer(0, 3));
    const spans = Array.from({ length: integer(0, 4) }, () => ({ start: integer(-3, 20), end: integer(-3, 20), label: 'x' }));
    expect(splitSpans(text, spans).map(({ content }) => content).join('')).toBe(text);
  }
});

test('parts become one text or a list, and a reply is found in what services give', () => {
  expect(joinParts(['a', 'b'])).toBe('ab');
  expect(joinParts([{ n: 1 }, { n: 2 }])).toEqual([{ n: 1 }, { n: 2 }]);
  expect(joinParts(['data:image/png;base64,AA=='])).toEqual(['data:image/png;base64,AA==']);
  expect([replyText('x'), replyText({ message: { role: 'assistant', content: 'y' } }), replyText([{ text: 'a' }, { text: 'b' }]), replyText({ n: 1 })]).toEqual(['x', 'y', 'ab', undefined]);
});

test('scores by whatever name their items have', () => {
  expect(namedScoresOf([{ sentence: 'a', score: -0.2 }, { sentence: 'b', score: 0.9, extra: 1 }], 'sentence')).toEqual([{ label: 'b', score: 0.9 }, { label: 'a', score: -0.2 }]);
  expect(namedScoresOf([{ item: 7, score: 3 }], undefined)).toEqual([{ label: '7', score: 3 }]);
  expect(namedScoresOf([{ box: {}, score: 3 }], undefined)).toBeUndefined();
  expect(labelScoresOf([{ label: 'a', score: 1, box: 2 }])).toBeUndefined();
});

test('files: sizes and bytes of data URLs', () => {
  for (const text of ['', 'a', 'ab', 'abc', 'abcd']) {
    const url = `data:text/plain;base64,${Buffer.from(text).toString('base64')}`;
    expect(sizeBytesOf(url)).toBe(text.length);
    expect(Buffer.from(bytesOf(url)).toString()).toBe(text);
  }
  expect([formatSize(999), formatSize(1234), formatSize(56_789), formatSize(2_500_000)]).toEqual(['999 B', '1.2 KB', '57 KB', '2.5 MB']);
});

test('what is recorded is a WAVE file of 16 bit integers', async () => {
  const bytes = Buffer.from(await encodeWave([Float32Array.of(0, 1), Float32Array.of(-1, 2)], 16_000).arrayBuffer());
  expect(bytes.toString('latin1', 0, 4) + bytes.toString('latin1', 8, 16)).toBe('RIFFWAVEfmt ');
  expect([bytes.readUInt32LE(4), bytes.readUInt16LE(20), bytes.readUInt16LE(22), bytes.readUInt32LE(24), bytes.readUInt16LE(34), bytes.readUInt32LE(40)]).toEqual([44, 1, 1, 16_000, 16, 8]);
  expect([0, 1, 2, 3].map((index) => bytes.readInt16LE(44 + index * 2))).toEqual([0, 32_767, -32_767, 32_767]);
});

describe('many at once', () => {
  test('is offered for one file, one text, or a row of scalars', () => {
    const offered = (properties: Record<string, unknown>, required = Object.keys(properties)): string | undefined => batchOf(fieldsOf({ type: 'object', properties, required }))?.over.kind;
    expect(offered({ image: { type: 'string', format: 'image' }, k: { type: 'integer', 'x-modelport': { advanced: true } } })).toBe('files');
    expect(offered({ text: { type: 'string' } })).toBe('lines');
    expect(offered({ a: { type: 'number' }, b: { enum: ['x', 'y'] } })).toBe('rows');
    expect(offered({ a: file, b: file })).toBeUndefined();
    expect(offered({ rows: { type: 'array', items: { type: 'object', properties: { a: { type: 'number' } } } } })).toBeUndefined();
  });

  test('a row is read by its columns', () => {
    const batch = batchOf(fieldsOf({ type: 'object', properties: { a: { type: 'number' }, b: { type: 'string' } }, required: ['a'] }))!;
    expect(batch.place({}, { cells: { a: '1,5', b: 'x' } })).toEqual({ a: 1.5, b: 'x' });
    expect(() => batch.place({}, { cells: { b: 'x' } })).toThrow('A is empty');
    expect(() => batch.place({}, { cells: { a: 'much' } })).toThrow('“much” is no number');
  });

  test('an answer as cells', () => {
    expect(answerCells({ label: 'a', score: 0.5, probabilities: { a: 0.5, b: 0.5 }, objects: [1, 2], mask: 'data:image/png;base64,AA==' })).toEqual({ label: 'a', score: 0.5, 'probabilities.a': 0.5, 'probabilities.b': 0.5, objects: 2, mask: 'a file' });
    expect(answerCells(3)).toEqual({ answer: 3 });
  });
});

test('server-sent events, however they are cut', async () => {
  const text = 'event: progress\ndata: {"fraction":0.5}\n\n: a comment\n\ndata: "ü"\ndata: x\r\n\r\nevent: end\ndata: {}\n\n';
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) controller.enqueue(bytes.slice(at, at + size));
        controller.close();
      },
    });
    const events = [];
    for await (const event of readEvents(body)) events.push(event);
    expect(events).toEqual([{ event: 'progress', data: '{"fraction":0.5}' }, { event: 'message', data: '"ü"\nx' }, { event: 'end', data: '{}' }]);
  }
});

test('what the last minutes were made of', () => {
  const reading = (runs: number, rejected: number, seconds: number) => ({
    atMs: 0,
    samples: parsePrometheus(`modelport_batch_runs_total{model="m",batch_size="16"} ${runs}
modelport_batch_runs_total{model="m",batch_size="2"} ${2 * runs}
modelport_batch_runs_total{model="other",batch_size="1"} 5
nv_inference_request_failure{model="m",reason="REJECTED"} ${rejected}
modelport_queue_duration_seconds_sum{model="m"} ${seconds}
modelport_queue_duration_seconds_count{model="m"} ${runs}`),
  });
  const [before, after] = [reading(1, 0, 0), reading(5, 3, 0.008)];
  expect(batchSizesBetween(before, after)).toEqual([{ label: '2', value: 8 }, { label: '16', value: 4 }]);
  expect(batchSizesBetween(before, after, 'other')).toEqual([]);
  expect(failuresBetween(before, after, 'm')).toEqual([{ label: 'REJECTED', value: 3 }]);
  expect(phasesBetween(before, after)[0]).toEqual({ label: 'Waiting', value: 2 });
});

test('answers about pieces of a stream become one', () => {
  const first = { speech: false, segments: [{ start: 0.1, end: 0.5 }], timeline: { start: 0, step: 0.1, values: [0, 1, 1] } };
  const second = { speech: true, segments: [{ start: 0.5, end: 0.7 }, { start: 0.9, end: 1 }], timeline: { start: 0.3, step: 0.1, values: [1, 0] } };
  expect(joinPieces(undefined, first)).toEqual(first);
  expect(joinPieces(first, second)).toEqual({ speech: true, segments: [{ start: 0.1, end: 0.7 }, { start: 0.9, end: 1 }], timeline: { start: 0, step: 0.1, values: [0, 1, 1, 1, 0] } });
  const long = joinPieces({ timeline: { start: 0, step: 1, values: Array<number>(1000).fill(0) } }, { timeline: { start: 1000, step: 1, values: [1, 1] } }) as { timeline: { start: number; values: number[] } };
  expect([long.timeline.start, long.timeline.values.length, long.timeline.values.at(-1)]).toEqual([2, 1000, 1]);
});
