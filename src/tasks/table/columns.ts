/** The columns of a table and how each reaches the inputs of a model. */
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { Signature, TensorSpec } from '../../model.ts';
import { datatypes } from '../../tensor.ts';
import type { FeatureOptions } from './table-options.ts';

type ColumnKind = 'number' | 'integer' | 'boolean' | 'text';

export interface Column {
  readonly name: string;
  /** Names the input, and its place along the last axis where one input takes several columns. */
  readonly spec: TensorSpec;
  readonly place: number;
  readonly kind: ColumnKind;
  /** Known values, with the number that stands for each where the model takes numbers. */
  readonly categories: ReadonlyMap<string, number> | undefined;
  readonly feature: FeatureOptions;
}

export interface Table {
  readonly columns: readonly Column[];
  readonly inputs: readonly TensorSpec[];
  /** Most rows of one run, 1 where rows can't be joined. */
  readonly mostRows: number;
}

/** A row of more numbers is a signal or a picture laid flat: nobody fills in a form of it, and its schema would fill the documentation. */
const mostColumns = 4096;

/** Why the inputs are no table, or undefined. */
export function tableProblem(signature: Signature): string | undefined {
  const { inputs } = signature;
  if (inputs.length === 0) return 'the model has no inputs';
  if (signature.states !== undefined && signature.states.length > 0) return 'the model carries state from request to request';
  for (const input of inputs) {
    const shape = `input '${input.name}' is ${input.datatype} [${input.shape.join(', ')}]`;
    if (input.batchAxis !== undefined && input.batchAxis !== 0) return `${shape}, with rows along axis ${input.batchAxis}`;
    if (input.shape.length === 0 || input.shape.length > 2 || (input.shape.length === 2 && input.batchAxis === undefined && input.shape[0] !== 1)) return `${shape}, and rows of a table have one or two axes`;
    const width = input.shape.at(-1)!;
    if (input.shape.length === 2 && typeof width === 'number' && width > mostColumns) return `${shape}, and a table has at most ${mostColumns} columns`;
  }
  return undefined;
}

/** Throws `INVALID_CONFIG` where the features do not fit the inputs. */
export function planTable(signature: Signature, features: readonly FeatureOptions[] | undefined, task: string): Table {
  const problem = tableProblem(signature);
  if (problem !== undefined) throw new ModelportError('INVALID_CONFIG', `${task} takes the rows of a table, but ${problem}`, { at: 'task' });
  const { inputs, batch } = signature;
  const columns = inputs.length === 1 && features?.some((feature) => feature.input !== undefined) !== true ? matrixColumns(inputs[0]!, features) : inputColumns(inputs, features);
  const seen = new Set<string>();
  const twice = columns.find(({ name }) => seen.size === seen.add(name).size)?.name;
  if (twice !== undefined) throw new ModelportError('INVALID_CONFIG', `two features are named '${twice}'`, { at: 'task.features' });
  const joins = inputs.every((input) => input.batchAxis === 0);
  return { columns, inputs, mostRows: joins ? Math.max(1, batch.maxSize) : 1 };
}

/** One input takes all columns, or the only one. */
function matrixColumns(input: TensorSpec, features: readonly FeatureOptions[] | undefined): Column[] {
  const last = input.batchAxis === 0 && input.shape.length === 1 ? 1 : input.shape.at(-1)!;
  const width = typeof last === 'number' && last > 0 ? last : undefined;
  if (features === undefined) {
    if (width === undefined) throw new ModelportError('INVALID_CONFIG', `input '${input.name}' takes any number of columns: name them with task.features`, { at: 'task.features' });
    return Array.from({ length: width }, (_, place) => column(input, place, { name: width === 1 ? input.name : (input.labels?.[place] ?? `feature_${place}`) }));
  }
  if (width !== undefined && features.length !== width) {
    throw new ModelportError('INVALID_CONFIG', `task.features names ${features.length} columns, but input '${input.name}' takes ${width}`, { at: 'task.features' });
  }
  return features.map((feature, place) => column(input, place, feature));
}

/** Each input takes one column. */
function inputColumns(inputs: readonly TensorSpec[], features: readonly FeatureOptions[] | undefined): Column[] {
  const wide = inputs.find((input) => {
    const last = input.shape.at(-1)!;
    return !(input.shape.length === 1 && input.batchAxis === 0) && last !== 1;
  });
  if (wide !== undefined) {
    throw new ModelportError('INVALID_CONFIG', `input '${wide.name}' is [${wide.shape.join(', ')}]; a model of several inputs takes one column in each: [batch, 1] or [batch]`, { at: 'task' });
  }
  if (features === undefined) return inputs.map((input) => column(input, 0, { name: input.name }));
  const names = inputs.map((input) => input.name);
  const columns = features.map((feature) => {
    const wanted = feature.input ?? feature.name;
    const input = inputs.find((candidate) => candidate.name === wanted);
    if (input === undefined) throw new ModelportError('INVALID_CONFIG', `feature '${feature.name}': the model has no input '${wanted}'${suggestName(wanted, names)}`, { at: 'task.features' });
    return column(input, 0, feature);
  });
  const unfed = inputs.find((input) => input.optional !== true && !columns.some((candidate) => candidate.spec === input));
  if (unfed !== undefined) throw new ModelportError('INVALID_CONFIG', `no feature feeds input '${unfed.name}'`, { at: 'task.features' });
  return columns;
}

function column(spec: TensorSpec, place: number, feature: FeatureOptions): Column {
  const { kind } = datatypes[spec.datatype];
  const { categories } = feature;
  const text = kind === 'bytes';
  const codes = categories === undefined ? undefined : new Map(Array.isArray(categories) ? categories.map((name, index) => [name, index]) : Object.entries(categories));
  const uneven = kind === 'integer' ? [...(codes ?? [])].find(([, code]) => !Number.isInteger(code)) : undefined;
  if (uneven !== undefined) {
    throw new ModelportError('INVALID_CONFIG', `feature '${feature.name}': category '${uneven[0]}' is ${uneven[1]}, but input '${spec.name}' takes whole numbers`, { at: 'task.features' });
  }
  if (feature.nullable === true && (kind === 'integer' || kind === 'boolean')) {
    throw new ModelportError('INVALID_CONFIG', `feature '${feature.name}' can't be nullable: input '${spec.name}' is ${spec.datatype}, which has no missing value`, { at: 'task.features' });
  }
  return {
    name: feature.name,
    spec,
    place,
    kind: text || codes !== undefined ? 'text' : kind === 'float' ? 'number' : kind === 'integer' ? 'integer' : 'boolean',
    categories: codes,
    feature: {
      ...(spec.description === undefined ? {} : { description: spec.description }),
      ...(spec.minimum === undefined ? {} : { minimum: spec.minimum }),
      ...(spec.maximum === undefined ? {} : { maximum: spec.maximum }),
      ...(spec.unit === undefined ? {} : { unit: spec.unit }),
      ...feature,
    },
  };
}
