/**
 * Which axis of each tensor holds the rows of different requests, from what the graph declares. ONNX has no field for
 * it: exporters leave the batch axis free, mostly with a name, and tools agree on names like `batch` and `N`.
 */
import type { BatchFacts, Dimension, StateSpec } from '../model.ts';

export interface Shaped {
  readonly name: string;
  /** Undefined: of any rank. */
  readonly shape: readonly Dimension[] | undefined;
}

export interface BatchAxes {
  readonly batch: BatchFacts;
  /** By name; a tensor that is not here has no rows. */
  readonly inputs: ReadonlyMap<string, number>;
  readonly outputs: ReadonlyMap<string, number>;
}

/**
 * Rows of one run where nobody says otherwise: past it, small models gain nothing any more, and large ones start to hold
 * much memory.
 */
export const defaultMaxBatchSize = 64;

const batchName = /^(n|b|bs|bsz|batch\w*|\w*batch|\w*batch_?size|rows?|num_?rows|num_?samples|samples)$/i;
const otherName = /seq|len|time|step|frame|token|word|char|height|width|channel|feature|class|box|anchor|point|node|edge|query|audio|past|total/i;
/** Names that exporters make up: they say that an axis is free, and two different ones do not say that two axes differ. */
const madeUpName = /^(\?|-1|none|unk\w*|unknown\w*|(p2o\.)?DynamicDimension\.\d+|\w*_dynamic_axes_\d+|\w*_dim_\d+|dim_?\d+|dyn\w*|s\d+|u\d+|d\d+|_\d+|ax_?\w*)$/i;

export function isMadeUp(name: string): boolean {
  return name === '' || madeUpName.test(name);
}

/** The axes of each tensor, and one sentence that says why requests can or cannot be joined. */
export function inferBatchAxes(inputs: readonly Shaped[], outputs: readonly Shaped[], states: readonly StateSpec[], maxSize: number = defaultMaxBatchSize): BatchAxes {
  const stateInputs = new Map(states.map((state) => [state.input, state.output]));
  const stateOutputs = new Set(states.map((state) => state.output));
  const plainInputs = inputs.filter((input) => !stateInputs.has(input.name));
  const plainOutputs = outputs.filter((output) => !stateOutputs.has(output.name));
  const cannot = (reason: string): BatchAxes => ({ batch: { maxSize: 0, reason: `cannot batch: ${reason}` }, inputs: new Map(), outputs: new Map() });

  if (plainInputs.length === 0) return cannot(inputs.length === 0 ? 'the model has no inputs' : 'all inputs are states of a sequence');
  const row = findRow(plainInputs);
  if (typeof row === 'string') return cannot(row);

  const inputAxes = new Map<string, number>();
  const shared: string[] = [];
  for (const input of plainInputs) {
    const axis = row.axisOf(input);
    if (axis === undefined) shared.push(input.name);
    else inputAxes.set(input.name, axis);
  }
  const outputAxes = new Map<string, number>();
  for (const output of plainOutputs) {
    const axis = row.axisOf(output);
    if (axis === undefined) return cannot(`${whyNoRows(output)}, so its rows cannot be told apart`);
    outputAxes.set(output.name, axis);
  }
  for (const [inputName, outputName] of stateInputs) {
    const input = inputs.find((candidate) => candidate.name === inputName)!;
    const axis = row.axisOfState(input);
    if (axis === undefined) return cannot(`the state '${inputName}' has no free axis that could hold a row for each request`);
    inputAxes.set(inputName, axis);
    outputAxes.set(outputName, axis);
  }
  return { batch: { maxSize, reason: explain(row, plainInputs, plainOutputs, inputAxes, outputAxes, shared, states, maxSize) }, inputs: inputAxes, outputs: outputAxes };
}

interface Row {
  /** '' where the axes have no common name. */
  readonly name: string;
  readonly sure: boolean;
  axisOf(tensor: Shaped): number | undefined;
  axisOfState(tensor: Shaped): number | undefined;
}

/** What identifies the axis of rows, or why there is none. */
function findRow(inputs: readonly Shaped[]): Row | string {
  for (const { shape } of inputs) {
    const named = shape?.find((dimension): dimension is string => typeof dimension === 'string' && batchName.test(dimension));
    if (named !== undefined) return rowNamed(named, inputs);
  }
  const first = inputs.find((input) => input.shape !== undefined && input.shape.length > 0 && isFree(input.shape[0]!));
  if (first === undefined) {
    const shaped = inputs.find((input) => input.shape !== undefined && input.shape.length > 0);
    if (shaped !== undefined) return whyNoRows(shaped);
    return inputs.some((input) => input.shape === undefined) ? `input '${inputs[0]!.name}' has no declared shape` : 'all inputs are scalars';
  }
  const name = first.shape![0]!;
  if (typeof name === 'string' && !isMadeUp(name) && otherName.test(name)) {
    return `the free first axis of '${first.name}' is called '${name}', which is not a number of rows`;
  }
  return rowNamed(typeof name === 'string' ? name : '', inputs);
}

function rowNamed(name: string, inputs: readonly Shaped[]): Row {
  const anonymous = isMadeUp(name);
  // Free sizes that are something else: a sequence length that is the second axis of one input is not the rows of another.
  const others = new Set<Dimension>();
  for (const { shape } of inputs) shape?.forEach((dimension, axis) => axis > 0 && dimension !== name && typeof dimension === 'string' && others.add(dimension));
  const axisOf = ({ shape }: Shaped): number | undefined => {
    if (shape === undefined || shape.length === 0) return undefined;
    if (name !== '' && name !== '?') {
      const axis = shape.indexOf(name);
      if (axis !== -1) return axis;
    }
    const first = shape[0]!;
    if (!isFree(first) || others.has(first)) return undefined;
    if (first === -1 || anonymous || isMadeUp(String(first))) return 0;
    return undefined;
  };
  return {
    name: anonymous ? '' : name,
    sure: !anonymous,
    axisOf,
    axisOfState: (tensor) => {
      const { shape } = tensor;
      if (shape === undefined) return undefined;
      const named = name === '' ? -1 : shape.indexOf(name);
      if (named !== -1) return named;
      const free = shape.flatMap((dimension, axis) => (isFree(dimension) && !others.has(dimension) ? [axis] : []));
      return free.includes(0) ? 0 : free.length === 1 ? free[0] : undefined;
    },
  };
}

function isFree(dimension: Dimension): boolean {
  return typeof dimension === 'string' || dimension === -1;
}

function whyNoRows({ name, shape }: Shaped): string {
  if (shape === undefined) return `'${name}' has no declared shape`;
  if (shape.length === 0) return `'${name}' is a scalar`;
  return isFree(shape[0]!) ? `the first axis of '${name}' is '${shape[0]}', not a number of rows` : `the first axis of '${name}' is fixed at ${shape[0]}`;
}

function explain(
  row: Row,
  inputs: readonly Shaped[],
  outputs: readonly Shaped[],
  inputAxes: ReadonlyMap<string, number>,
  outputAxes: ReadonlyMap<string, number>,
  shared: readonly string[],
  states: readonly StateSpec[],
  maxSize: number,
): string {
  const rows = [...inputs.filter((input) => inputAxes.has(input.name)), ...outputs];
  const first = rows.every((tensor) => (inputAxes.get(tensor.name) ?? outputAxes.get(tensor.name)) === 0);
  const parts = [
    row.sure
      ? `the axis '${row.name}' is in ${rows.length === 2 ? 'input and output' : 'every input and output'}${first ? ', always first' : ''}`
      : `the first axis of ${rows.length === 2 ? 'input and output' : 'all inputs and outputs'} is free, though it has no common name`,
  ];
  if (shared.length > 0) parts.push(`${list(shared)} ${shared.length === 1 ? 'has' : 'have'} no rows: only requests where ${shared.length === 1 ? 'it is' : 'they are'} equal can be joined`);
  if (states.length > 0) parts.push(`the state ${list(states.map((state) => state.input))} has its rows on axis ${[...new Set(states.map((state) => inputAxes.get(state.input)))].join(', ')}`);
  return `can batch: ${parts.join('; ')} (up to ${maxSize} rows${maxSize === defaultMaxBatchSize ? ', the default' : ''})`;
}

function list(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ');
}
