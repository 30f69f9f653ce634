/** What the tasks on tokens share: a model with its tokenizer, from texts to output tensors. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { Model, PredictSignature, TensorSpec } from '../../model.ts';
import type { TaskFacts } from '../../task.ts';
import { datatypes, type Tensor } from '../../tensor.ts';
import { numbers } from '../classification/scores.ts';
import type { Encoding } from './encoding.ts';
import { fixedLength, requireTokenInputs, tokenTensors, type TokenInputs } from './token-inputs.ts';
import { openTokenizer, type TextTokenizer } from './text-tokenizer.ts';

export interface TextModel {
  readonly tokenizer: TextTokenizer;
  readonly inputs: TokenInputs;
  /** Most tokens of a row, `undefined`: any number. */
  readonly maxTokens: number | undefined;
  /** Runs rows of tokens, in as many runs as the model's largest batch asks for; of each output one array a row, padding cut off. */
  run(rows: readonly Encoding[], outputs: readonly TensorSpec[], call: Call): Promise<readonly RowOutputs[]>;
}

/** Of one row, by the name of the output. */
export type RowOutputs = ReadonlyMap<string, RowOutput>;

export interface RowOutput {
  /** Without the batch axis; the axis of tokens has the row's own tokens only. */
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Throws `INVALID_CONFIG` where the model takes no tokens or has no tokenizer. */
export function openTextModel(model: Model, facts: TaskFacts, task: string, maxTokens: number | undefined): TextModel {
  const { signature, infer } = model;
  if (infer === undefined) throw new ModelportError('INVALID_CONFIG', `${task} needs a model that takes tensors`, { at: 'task' });
  const inputs = requireTokenInputs(signature, task);
  const tokenizer = openTokenizer(facts.artifact, facts.prepared);
  const limits = [maxTokens, tokenizer.maxTokens, fixedLength(inputs)].filter((limit) => limit !== undefined);
  const mostTokens = limits.length === 0 ? undefined : Math.min(...limits);
  const mostRows = Math.max(1, signature.batch.maxSize);
  // Where no rows share a run, padding is only work.
  const mostPadded = mostRows > 1 ? mostTokens : undefined;

  async function runChunk(rows: readonly Encoding[], outputs: readonly TensorSpec[], call: Call): Promise<RowOutputs[]> {
    const response = await model.infer!({ inputs: tokenTensors(inputs, rows, tokenizer.special.pad, mostPadded), outputs: outputs.map(({ name }) => name) }, call);
    return rows.map((row, index) => new Map(outputs.map(({ name }) => [name, rowOf(name, response.outputs.get(name)!, index, rows.length, row.ids.length)])));
  }

  return {
    tokenizer,
    inputs,
    maxTokens: mostTokens,
    async run(rows, outputs, call) {
      if (rows.length <= mostRows) return runChunk(rows, outputs, call);
      const chunks: Promise<RowOutputs[]>[] = [];
      for (let from = 0; from < rows.length; from += mostRows) chunks.push(runChunk(rows.slice(from, from + mostRows), outputs, call));
      return (await Promise.all(chunks)).flat();
    },
  };
}

function rowOf(name: string, tensor: Tensor, row: number, rows: number, tokens: number): RowOutput {
  const [batch, length, ...rest] = tensor.shape;
  if (batch !== rows) throw new ModelportError('RUN_FAILED', `output '${name}' has ${batch ?? 1} rows, but ${rows} were asked`);
  const size = tensor.data.length / rows;
  if (tensor.shape.length < 2) return { shape: [], data: numbers(tensor, row * size, (row + 1) * size) };
  // [batch, classes] and [batch, tokens, …] are told apart by whoever reads them: only as many as there are tokens are kept of more.
  const inner = size / length!;
  const kept = tensor.shape.length > 2 && length! > tokens ? tokens : length!;
  return { shape: [kept, ...rest], data: numbers(tensor, row * size, row * size + kept * inner) };
}

/** The only float output of that many dimensions, or the named one. Throws `INVALID_CONFIG`. */
export function findFloatOutput(model: Model, name: string | undefined, dimensions: number, usual: readonly string[], holds: string): TensorSpec {
  const { outputs } = model.signature;
  const fits = (output: TensorSpec): boolean => datatypes[output.datatype].kind === 'float' && output.shape.length === dimensions;
  const candidates = outputs.filter(fits);
  const found = name === undefined ? (candidates.find((output) => usual.includes(output.name)) ?? (candidates.length === 1 ? candidates[0] : undefined)) : candidates.find((output) => output.name === name);
  if (found !== undefined) return found;
  const has = outputs.map((output) => `${output.name} ${output.datatype} [${output.shape.join(', ')}]`).join('; ');
  throw new ModelportError('INVALID_CONFIG', `${name === undefined ? 'no output evidently' : `output '${name}' does not`} hold${name === undefined ? 's' : ''} ${holds}, floats of ${dimensions} dimensions: the model has ${has}`, { at: 'task.output' });
}

/** The model with `predict`. */
export function withPredict(model: Model, signature: PredictSignature, predict: (value: unknown, call: Call) => Promise<unknown>): Model {
  return {
    signature: { ...model.signature, predict: signature },
    infer: (request, call) => model.infer!(request, call),
    ...(model.stream === undefined ? {} : { stream: (request, call) => model.stream!(request, call) }),
    predict,
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
