import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { FrameReader, frameHeader } from '../../src/serving/frame-reader.ts';
import { messageKinds, messageParts, packMessage, unpackMessage, type Message } from '../../src/serving/instance-wire.ts';
import { datatypes, elementCount, type Datatype, type NumericArray, type Tensor } from '../../src/tensor.ts';

const fuzzRuns = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
const seed = 20;

const shape = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 });

const tensor: fc.Arbitrary<Tensor> = fc.tuple(fc.constantFrom(...(Object.keys(datatypes) as Datatype[])), shape, fc.nat(7), fc.infiniteStream(fc.uint8Array({ maxLength: 12 }))).map(([datatype, sizes, unaligned, strings]) => {
  const count = elementCount(sizes);
  if (datatype === 'BYTES') return { datatype, shape: sizes, data: Array.from({ length: count }, () => strings.next().value as Uint8Array) };
  const { bytes, array } = datatypes[datatype];
  // A view into a larger buffer, as the tensors of a request body are.
  const memory = new Uint8Array(count * bytes + 64);
  memory.forEach((_, index) => (memory[index] = (index * 37 + unaligned) & (datatype === 'BOOL' ? 1 : 0x7f)));
  return { datatype, shape: sizes, data: new (array as unknown as new (buffer: ArrayBuffer, offset: number, length: number) => NumericArray)(memory.buffer, unaligned * 8, count) };
});

const plain = fc.anything({ withBigInt: true, withMap: true, withDate: true, withTypedArray: true });

const message: fc.Arbitrary<Message> = fc.record({
  kind: fc.constantFrom(...messageKinds),
  id: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  first: fc.double({ noNaN: true }),
  second: fc.double({ noNaN: true }),
  tensors: fc.option(fc.uniqueArray(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 12 }), tensor), { selector: ([name]) => Buffer.from(name).toString('hex'), minLength: 1, maxLength: 5 }).map((entries) => new Map(entries)), { nil: undefined }),
  rest: fc.option(plain.filter((value) => value !== undefined), { nil: undefined }),
}).map(({ tensors, rest, ...others }) => ({ ...others, ...(tensors === undefined ? {} : { tensors }), ...(rest === undefined ? {} : { rest }) }));

/** What a message is worth, without the identity of arrays and memory. */
function content(value: Message): unknown {
  return {
    ...value,
    tensors: value.tensors && [...value.tensors].map(([name, { datatype, shape: sizes, data }]) => [name, datatype, [...sizes], Array.isArray(data) ? data.map((element) => [...element]) : [...data]]),
    rest: structuredClone(value.rest),
  };
}

function joined(value: Message): ArrayBuffer {
  const { parts, totalBytes } = messageParts(value);
  const bytes = Buffer.concat(parts);
  expect(bytes.byteLength).toBe(totalBytes);
  return new Uint8Array(bytes).buffer;
}

test('every message crosses unchanged, packed or in parts, in fresh or spare memory', () => {
  fc.assert(
    fc.property(message, fc.nat(4096), (sent, spareBytes) => {
      const wanted = content(sent);
      expect(content(unpackMessage(packMessage(sent).bytes))).toEqual(wanted);
      expect(content(unpackMessage(joined(sent)))).toEqual(wanted);
      const spare = new Uint8Array(spareBytes).fill(0xaa).buffer;
      expect(content(unpackMessage(packMessage(sent, { spare }).bytes))).toEqual(wanted);
      // Nothing was given away or written into.
      expect(content(sent)).toEqual(wanted);
    }),
    { numRuns: 500, seed },
  );
});

test('large memory is given away only where that is allowed, and once', () => {
  const whole = new Float32Array(100_000).fill(3);
  const kept = new Float32Array(100_000).fill(4);
  const view = new Float32Array(new ArrayBuffer(800_000), 8, 100_000).fill(5);
  const tensors = new Map<string, Tensor>(Object.entries({ whole, again: whole, kept, view }).map(([name, data]) => [name, { datatype: 'FP32', shape: [100_000], data }]));
  const sent: Message = { kind: 'answer', id: 7, tensors };
  expect(packMessage(sent).attachments).toEqual([]);
  const packed = packMessage(sent, { giveAwayExcept: new Set([kept.buffer]) });
  expect(packed.attachments).toEqual([whole.buffer]);
  const { bytes, attachments } = structuredClone(packed, { transfer: [packed.bytes, ...packed.attachments] });
  const received = unpackMessage(bytes, attachments);
  expect([...received.tensors!].map(([name, { data }]) => [name, data.length, data[99_999]])).toEqual([['whole', 100_000, 3], ['again', 100_000, 3], ['kept', 100_000, 4], ['view', 100_000, 5]]);
  expect(kept[0]).toBe(4);
  // Its memory is gone: saying so beats sending nothing.
  expect(() => packMessage(sent)).toThrow("tensor 'whole' has shape [100000], but its data has 0 elements (was its memory given away?)");
});

test('spare memory is used where it fits and is not far too large', () => {
  const sent: Message = { kind: 'infer', id: 1, tensors: new Map([['x', { datatype: 'UINT8', shape: [1000], data: new Uint8Array(1000) }]]) };
  const fitting = new ArrayBuffer(2000);
  expect(packMessage(sent, { spare: fitting }).bytes).toBe(fitting);
  for (const size of [500, 100_000]) {
    const spare = new ArrayBuffer(size);
    expect(packMessage(sent, { spare }).bytes).not.toBe(spare);
  }
});

test('what is no plain data is refused with the reason', () => {
  expect(() => packMessage({ kind: 'value', id: 1, rest: () => 1 })).toThrow(/cannot cross to or from an instance in a thread or process: .* could not be cloned/);
});

test('fuzz: malformed messages are refused, never believed', () => {
  fc.assert(
    fc.property(message, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.option(fc.nat(), { nil: undefined }), fc.uint8Array({ maxLength: 200 }), fc.boolean(), (sent, changes, cut, noise, onlyNoise) => {
      const valid = new Uint8Array(packMessage(sent).bytes);
      for (const [at, value] of changes) valid[at % valid.length] = value;
      const bytes = onlyNoise ? noise : valid.slice(0, cut === undefined ? valid.length : cut % valid.length);
      try {
        const received = unpackMessage(new Uint8Array(bytes).buffer);
        for (const { shape: sizes, data } of received.tensors?.values() ?? []) expect(data.length).toBe(elementCount(sizes));
      } catch (error) {
        expect(isModelportError(error) && error.message).toMatch(/^malformed message between server and instance: /);
      }
    }),
    { numRuns: fuzzRuns, seed },
  );
});

/** `bytes` in chunks of the given sizes, the last one as large as it takes. */
function* chunks(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  let at = 0;
  for (const size of sizes) {
    yield bytes.subarray(at, at + size);
    at += size;
  }
  yield bytes.subarray(at);
}

test('frames come out whole and in order, however the stream is cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300, size: 'max' }), { maxLength: 6 }), fc.array(fc.nat(40), { maxLength: 60 }), (messages, sizes) => {
      const stream = Buffer.concat(messages.flatMap((bytes) => [frameHeader(bytes.byteLength), bytes]));
      const received: string[] = [];
      const reader = new FrameReader((bytes) => received.push(Buffer.from(bytes).toString('hex')));
      for (const chunk of chunks(stream, sizes)) reader.push(chunk);
      expect(received).toEqual(messages.map((bytes) => Buffer.from(bytes).toString('hex')));
    }),
    { numRuns: 500, seed },
  );
});

test('fuzz: a stream that holds something else is refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 8, maxLength: 400, size: 'max' }), fc.boolean(), fc.nat(30), (noise, magic, cut) => {
      const bytes = Uint8Array.from(noise);
      if (magic) bytes.set(frameHeader(noise[2]! * 16).subarray(0, 2 + (noise[3]! % 7)));
      let frames = 0;
      const reader = new FrameReader((message) => {
        frames++;
        expect(message.byteLength).toBeLessThanOrEqual(1000);
      }, { maxBytes: 1000 });
      try {
        for (const chunk of chunks(bytes, [cut])) reader.push(chunk);
      } catch (error) {
        expect(isModelportError(error) && error.code).toBe('INTERNAL');
        expect((error as Error).message).toMatch(/holds something that is no message|larger than the 1000 that are allowed/);
        return;
      }
      expect(frames === 0 ? magic || bytes[0] === 0x4d : true).toBe(true);
    }),
    { numRuns: fuzzRuns, seed },
  );
});
