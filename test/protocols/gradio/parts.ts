/** The endpoints of `test/clients/gradio/app.ts` that the recorded clients call, as functions in this process. */
import { ModelportError } from '../../../src/errors.ts';
import type { JsonSchema, PredictSignature } from '../../../src/model.ts';
import type { FakeModel } from '../../fixtures/fake-repository.ts';

const text: JsonSchema = { type: 'string' };
export const fileSchema: JsonSchema = { type: 'string', format: 'binary', contentMediaType: 'application/octet-stream', contentEncoding: 'base64' };
export const objectSchema = (properties: Readonly<Record<string, JsonSchema>>, required = Object.keys(properties)): JsonSchema => ({ type: 'object', properties, required });

export function part(name: string, predict: (value: never) => unknown, signature: Partial<PredictSignature> = {}): FakeModel {
  return {
    name,
    signature: { inputs: [], outputs: [], predict: { task: 'service', input: objectSchema({}), output: {}, examples: [], ...signature } },
    predict: async (value) => predict(value as never),
  };
}

export interface Hanging {
  cancelled: number;
}

export function clientParts(hanging: Hanging = { cancelled: 0 }): FakeModel[] {
  const words: FakeModel = {
    ...part('parts.words', ({ text: given }: { text: string }) => given.split(' '), { input: objectSchema({ text }), output: { type: 'array', items: text }, part: text }),
    async *predictStream(value) {
      for (const [index, word] of (value as { text: string }).text.split(' ').entries()) yield index === 0 ? word : ` ${word}`;
    },
  };
  const hang: FakeModel = {
    ...part('parts.hang', () => {}, { output: text }),
    predict: (_value, call) =>
      new Promise((_resolve, reject) =>
        call.onCancel(() => {
          hanging.cancelled++;
          reject(new ModelportError('CANCELLED', 'the request was cancelled'));
        }),
      ),
  };
  return [
    part('parts.greet', ({ name, loud }: { name: unknown; loud: boolean }) => (loud ? { greeting: `HELLO ${String(name).toUpperCase()}`, length: 9 } : { greeting: `Hello ${String(name)}`, length: 9 }), {
      input: objectSchema({ name: text, times: { type: 'integer', default: 1 }, loud: { type: 'boolean', default: false }, mood: { type: 'string', enum: ['happy', 'sad'], default: 'happy' }, note: text }, ['name']),
      output: objectSchema({ greeting: text, length: { type: 'integer' } }),
      examples: [{ name: 'Ada' }],
    }),
    words,
    part('parts.swap', ({ first, second }: { first: Uint8Array; second: Uint8Array }) => ({ first: second, second: first }), { input: objectSchema({ first: fileSchema, second: fileSchema }), output: objectSchema({ first: fileSchema, second: fileSchema }) }),
    hang,
    part('parts.fails', () => {
      throw new ModelportError('RUN_FAILED', "endpoint 'parts.fails' failed");
    }),
  ];
}
