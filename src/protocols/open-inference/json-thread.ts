/** The thread that parses large bodies and writes large answers, so that the event loop does neither. See `json-threads.ts`. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import type { TensorSpec } from '../../model.ts';
import type { Datatype, TensorData } from '../../tensor.ts';
import { tensorDataFromBytes } from './binary-tensors.ts';
import { readGenerateBody, type GenerateBody } from './generate-body.ts';
import { parseInferRequest, type WireInferRequest } from './infer-request.ts';
import { joinParts } from './infer-response.ts';
import { buffersOf } from './json-tensors.ts';
import { parseJson } from './json-value.ts';

giveWayToEventLoop();

export type JsonTask =
  | { readonly kind: 'parse'; readonly body: Uint8Array }
  | { readonly kind: 'generate'; readonly body: Uint8Array; readonly inputSpecs: readonly TensorSpec[] | undefined }
  | { readonly kind: 'value'; readonly body: Uint8Array }
  /** Elements that vary in size come as bytes: a thousand small arrays cost more to send than to read again. */
  | { readonly kind: 'write'; readonly json: readonly string[]; readonly data: readonly { readonly name: string; readonly datatype: Datatype; readonly count: number; readonly data: TensorData | Uint8Array }[] };

type JsonTaskResult = WireInferRequest | GenerateBody | Uint8Array | { readonly value: unknown };

export type JsonTaskReply = { readonly result: JsonTaskResult } | { readonly error: PlainError };

function perform(task: JsonTask): { result: JsonTaskResult; transfer: ArrayBuffer[] } {
  switch (task.kind) {
    case 'parse': {
      const result = parseInferRequest(task.body);
      const transfer = new Set<ArrayBuffer>();
      for (const { data } of result.inputs) if (data !== undefined) for (const buffer of buffersOf(data)) transfer.add(buffer);
      return { result, transfer: [...transfer] };
    }
    case 'generate':
      return { result: readGenerateBody(task.body, task.inputSpecs), transfer: [] };
    case 'value':
      return { result: { value: parseJson(task.body) }, transfer: [] };
    default: {
      const data = task.data.map(({ name, datatype, count, data }) => ({
        name,
        datatype,
        data: datatype === 'BYTES' ? tensorDataFromBytes(name, datatype, [count], data as Uint8Array, '') : (data as TensorData),
      }));
      const result = new TextEncoder().encode(joinParts({ json: [...task.json], data }));
      return { result, transfer: [result.buffer] };
    }
  }
}

const port = parentPort!;

port.on('message', (task: JsonTask) => {
  try {
    const { result, transfer } = perform(task);
    port.postMessage({ result } satisfies JsonTaskReply, transfer);
  } catch (error) {
    port.postMessage({ error: toPlainError(error) } satisfies JsonTaskReply, []);
  }
});
