/** Files that are cut off, are something else, or mean harm: an error that says so, no crash, no hang, no memory. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isModelportError } from '../../src/errors.ts';
import { inferSignature } from '../../src/onnx/infer-signature.ts';
import { onnxFacts } from '../../src/onnx/onnx-facts.ts';
import { readModelBytes, readModelFile } from '../../src/onnx/read-model.ts';
import { tensorElements } from '../../src/onnx/tensor-elements.ts';
import { tensorsOf } from '../../src/onnx/walk.ts';
import { delimited, fixtureBytes, fixtureDirectory, fixturePath, varint } from './fixtures.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'modelport-hostile-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

function refused(bytes: Uint8Array): string {
  try {
    readModelBytes(bytes, 'm.onnx');
  } catch (error) {
    if (!isModelportError(error)) throw error;
    expect(error.code).toBe('INVALID_MODEL');
    return error.message;
  }
  throw new Error('the bytes were taken for a model');
}

describe('what is not a model', () => {
  it.each([
    ['nothing', '', /is empty/],
    ['a zip archive', 'PK\u0003\u0004rest', /it is a zip file/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0', /git lfs pull/],
    ['a web page', '<!DOCTYPE html><html>', /HTML page/],
    ['JSON', '{"model": 1}', /JSON/],
    ['text', 'hello world, this is no model', /not a valid ONNX model|not an ONNX model/],
    ['zeros', '\0'.repeat(64), /not an ONNX model: it is all zeros/],
  ])('%s', (_what, content, message) => {
    expect(refused(Buffer.from(content, 'latin1'))).toMatch(message);
  });

  it('a message of other fields', () => {
    expect(refused(delimited(2, Buffer.from('a producer and no graph')))).toMatch(/holds no graph/);
  });

  it('a folder, a file that is not there', () => {
    expect(() => readModelFile(directory)).toThrow(/is not a file/);
    expect(() => readModelFile(join(directory, 'absent.onnx'))).toThrow(/there is no such file/);
  });
});

describe('what is cut off or lies about its size', () => {
  it('every beginning of a model is refused or lacks nothing that was read', () => {
    const bytes = fixtureBytes('mlp.onnx');
    let taken = 0;
    for (let length = 0; length < bytes.length; length++) {
      try {
        readModelBytes(bytes.subarray(0, length));
        taken++;
      } catch (error) {
        expect(isModelportError(error)).toBe(true);
      }
    }
    // A protocol buffer has no end mark: only cuts between the fields behind the graph leave a smaller model.
    expect(taken).toBeLessThanOrEqual(3);
  });

  it('a file that is cut off in the weights', () => {
    const path = join(directory, 'cut.onnx');
    const bytes = fixtureBytes('everything.onnx');
    writeFileSync(path, bytes.subarray(0, bytes.length - 1500));
    expect(() => readModelFile(path)).toThrow(/does not fit into what is left/);
  });

  it('huge lengths', () => {
    expect(refused(Buffer.concat([varint(7 * 8 + 2), varint(2 ** 50)]))).toMatch(/does not fit into what is left/);
    expect(refused(Buffer.concat([varint(7 * 8 + 2), Buffer.alloc(9, 0xff), Uint8Array.of(1)]))).toMatch(/does not fit/);
    expect(refused(Buffer.concat([varint(1 * 8), Buffer.alloc(11, 0xff)]))).toMatch(/longer than ten bytes/);
    expect(refused(Buffer.concat([varint(1 * 8), Buffer.alloc(8, 0xff), Uint8Array.of(0x7f)]))).toMatch(/beyond 2\^53/);
  });

  it('a field with the encoding of another', () => {
    expect(refused(Buffer.concat([varint(7 * 8), varint(1)]))).toMatch(/field graph of a ModelProto has the wire type 0 instead of 2/);
    expect(refused(Buffer.concat([varint(7 * 8 + 3), varint(1)]))).toMatch(/wire type 3/);
    expect(refused(Buffer.concat([varint(200 * 8 + 3), varint(1)]))).toMatch(/wire type 3, which ONNX does not use/);
  });

  it('two graphs, of which a reader could take the first and ONNX Runtime both', () => {
    const graph = delimited(7, delimited(2, Buffer.from('g')));
    expect(refused(Buffer.concat([graph, graph]))).toMatch(/two fields graph/);
  });
});

describe('bombs', () => {
  it('subgraphs in subgraphs', () => {
    let graph: Uint8Array = delimited(2, Buffer.from('innermost'));
    for (let level = 0; level < 5000; level++) graph = delimited(1, delimited(5, delimited(6, graph)));
    expect(refused(delimited(7, graph))).toMatch(/nested more than 100 deep/);
  });

  it('types in types', () => {
    let type: Uint8Array = new Uint8Array(0);
    for (let level = 0; level < 5000; level++) type = delimited(4, delimited(1, type));
    expect(refused(delimited(7, delimited(11, delimited(2, type))))).toMatch(/nested more than 100 deep/);
  });

  it('millions of empty nodes, names and numbers', () => {
    const millions = 4_000_000;
    for (const [what, part] of [['nodes', [0x0a, 0x00]], ['inputs of a node', [0x0a, 0x00]], ['dimensions', [0x08, 0x00]]] as const) {
      const parts = Buffer.alloc(millions * 2, Uint8Array.from(part));
      const graph = what === 'nodes' ? parts : what === 'dimensions' ? delimited(5, parts) : delimited(1, parts);
      expect(refused(delimited(7, graph))).toMatch(/more than 3000000 parts/);
    }
  });

  it('attributes that grow eightfold in memory', () => {
    const ints = Buffer.alloc(70_000_000);
    expect(refused(delimited(7, delimited(1, delimited(5, delimited(8, ints)))))).toMatch(/more than 536870912 bytes/);
  });

  it('a text of a hundred megabytes', () => {
    const path = join(directory, 'text.onnx');
    writeFileSync(path, Buffer.concat([delimited(7, delimited(2, Buffer.from('g'))), varint(2 * 8 + 2), varint(100 * 2 ** 20), Buffer.alloc(100 * 2 ** 20)]));
    expect(() => readModelFile(path)).toThrow(/a text of 104857600 bytes is longer/);
  });
});

it('fuzz: mutated models give an error of ours or a model, and nothing else', () => {
  const runs = Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000);
  const seeds = readdirSync(fixtureDirectory).filter((name) => name.endsWith('.onnx')).map((name) => fixtureBytes(name));
  let state = 20261121;
  const random = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const outcomes = { models: 0, refused: 0 };
  for (let run = 0; run < runs; run++) {
    const bytes = mutate(seeds[random(seeds.length)]!, random, seeds);
    try {
      const model = readModelBytes(bytes);
      inferSignature(model);
      outcomes.models++;
      for (const tensor of tensorsOf(model)) {
        try {
          tensorElements(tensor, fixtureDirectory);
        } catch (error) {
          if (!isModelportError(error)) throw new Error(`tensor of run ${run}`, { cause: error });
        }
      }
      onnxFacts(model, fixturePath('mlp.onnx'));
    } catch (error) {
      if (!isModelportError(error)) throw new Error(`run ${run}: ${Buffer.from(bytes).toString('base64')}`, { cause: error });
      outcomes.refused++;
    }
  }
  expect(outcomes.models).toBeGreaterThan(runs / 50);
  expect(outcomes.refused).toBeGreaterThan(runs / 50);
});

function mutate(seed: Uint8Array, random: (below: number) => number, seeds: readonly Uint8Array[]): Uint8Array {
  let bytes = Buffer.from(seed);
  for (let change = random(4) + 1; change > 0; change--) {
    const at = random(bytes.length);
    switch (random(7)) {
      case 0:
        bytes[at] = random(256);
        break;
      case 1:
        bytes[at]! ^= 1 << random(8);
        break;
      case 2:
        bytes = bytes.subarray(0, at + 1);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + random(16))]);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random(bytes.length), random(bytes.length)), bytes.subarray(at)]);
        break;
      case 5:
        bytes.fill([0x00, 0x7f, 0x80, 0xff][random(4)]!, at, Math.min(bytes.length, at + random(10)));
        break;
      default: {
        const other = seeds[random(seeds.length)]!;
        const from = random(other.length);
        bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + random(64)), bytes.subarray(at)]);
      }
    }
    if (bytes.length === 0) return Uint8Array.of(random(256));
  }
  return bytes;
}
