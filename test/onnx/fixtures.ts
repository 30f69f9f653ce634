/** The models that scripts/fixtures/onnx_models.py makes, and bytes of hand-made messages. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readModelFile } from '../../src/onnx/read-model.ts';
import type { ModelProto } from '../../src/onnx/model-proto.ts';

export const fixtureDirectory = join(import.meta.dirname, '..', 'fixtures', 'onnx');

export function fixturePath(name: string): string {
  return join(fixtureDirectory, name);
}

export function fixtureBytes(name: string): Uint8Array {
  return new Uint8Array(readFileSync(fixturePath(name)));
}

export function fixture(name: string): ModelProto {
  return readModelFile(fixturePath(`${name}.onnx`));
}

/** A field with a length in front, as protocol buffers write it. */
export function delimited(fieldNumber: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([varint(fieldNumber * 8 + 2), varint(content.length), content]);
}

export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 127) {
    bytes.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** Where real models lie that others trained (`magika/model.onnx`, `silero/silero_vad.onnx`); undefined: their tests are skipped. */
export const realModels = process.env['MODELPORT_REAL_MODELS'];
