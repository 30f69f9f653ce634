/** The parameters of a request that mean something to the server, told apart from those that are the model's. */
import type { Call, CallOptions, SequencePosition } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { ParameterValue, Parameters } from '../../model.ts';

export interface RequestControls {
  /** The call with the sequence, priority and deadline of the parameters; the given one where there are none. */
  readonly call: Call;
  /** What is left for the model; undefined: nothing. */
  readonly parameters: Parameters | undefined;
  /** `binary_data_output`: how outputs that don't say are answered over REST. */
  readonly binaryDataOutput: boolean;
  /** `triton_enable_empty_final_response` of gRPC streams. */
  readonly emptyFinalResponse: boolean;
}

/** Throws `INVALID_REQUEST` where a reserved parameter has a value of the wrong type. */
export function readControls(given: Parameters | undefined, call: Call): RequestControls {
  if (given === undefined) return { call, parameters: undefined, binaryDataOutput: false, emptyFinalResponse: false };
  const custom: Record<string, ParameterValue> = {};
  let hasCustom = false;
  let id: bigint | string | undefined;
  let start = false;
  let end = false;
  let priority: number | undefined;
  let deadlineMs: number | undefined;
  let binaryDataOutput = false;
  let emptyFinalResponse = false;
  for (const name of Object.keys(given)) {
    const value = given[name]!;
    switch (name) {
      case 'sequence_id':
        id = typeof value === 'string' ? value : unsigned(name, value);
        break;
      case 'sequence_start':
        start = boolean(name, value);
        break;
      case 'sequence_end':
        end = boolean(name, value);
        break;
      case 'priority':
        priority = Number(unsigned(name, value));
        break;
      case 'timeout': {
        // Microseconds; 0 means none.
        const timeoutUs = Number(unsigned(name, value));
        if (timeoutUs > 0) deadlineMs = call.receivedAtMs + timeoutUs / 1000;
        break;
      }
      case 'binary_data_output':
        binaryDataOutput = boolean(name, value);
        break;
      case 'triton_enable_empty_final_response':
        emptyFinalResponse = boolean(name, value);
        break;
      default:
        if (name.startsWith('triton_')) {
          throw new ModelportError('INVALID_REQUEST', `parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified: '${name.slice(0, 80)}'`, { at: `parameters.${name}` });
        }
        Object.defineProperty(custom, name, { value, enumerable: true, configurable: true, writable: true });
        hasCustom = true;
    }
  }
  const sequence: SequencePosition | undefined = id === undefined && !start && !end ? undefined : { id: id ?? 0n, start, end };
  const refines = sequence !== undefined || priority !== undefined || deadlineMs !== undefined;
  const options: CallOptions = {
    ...(sequence === undefined ? {} : { sequence }),
    ...(priority === undefined ? {} : { priority }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
  return { call: refines ? call.refine(options) : call, parameters: hasCustom ? custom : undefined, binaryDataOutput, emptyFinalResponse };
}

function boolean(name: string, value: ParameterValue): boolean {
  if (typeof value !== 'boolean') throw wrongType(name, value, 'true or false');
  return value;
}

function unsigned(name: string, value: ParameterValue): bigint {
  if (typeof value === 'bigint' ? value >= 0n : typeof value === 'number' && Number.isInteger(value) && value >= 0) return BigInt(value);
  throw wrongType(name, value, name === 'sequence_id' ? 'an integer of at least 0, or text' : 'an integer of at least 0');
}

function wrongType(name: string, value: ParameterValue, expected: string): ModelportError {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value);
  return new ModelportError('INVALID_REQUEST', `Unable to parse '${name}': parameters.${name} is ${shown}, expected ${expected}`, { at: `parameters.${name}` });
}
