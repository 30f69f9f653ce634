/** Encoders of categories, and what fills in missing values. An empty text stands for a missing one. */
import type { PickleValue } from '../../formats/pickle/pickle-value.ts';
import type { Converter, Converters } from './estimator.ts';
import { Frame, type ColumnKind } from './frame.ts';
import { listOf, matrixOf, numberOf, scalarOf, type Fitted } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';

export interface Categories {
  readonly kind: ColumnKind;
  /** NaN of numbers and '' of texts stand for a missing value. */
  readonly values: readonly (number | string)[];
}

function isMissing(value: PickleValue | undefined): boolean {
  return value === null || (typeof value === 'number' && Number.isNaN(value));
}

function categoriesOf(record: Fitted, value: PickleValue): Categories {
  const values = (listOf(value) ?? record.refuse('its categories are not a list')).map(scalarOf);
  if (values.every((category) => typeof category === 'string' || isMissing(category)) && values.some((category) => typeof category === 'string')) {
    if (values.includes('') && values.some(isMissing)) record.refuse('both an empty text and a missing value are categories of one column, which cannot be told apart');
    return { kind: 'text', values: values.map((category) => (isMissing(category) ? '' : (category as string))) };
  }
  const numbers = values.map((category) => (isMissing(category) ? Number.NaN : numberOf(category)));
  return numbers.every((category) => category !== undefined) ? { kind: 'number', values: numbers } : record.refuse('the categories of one column are neither all texts nor all numbers');
}

/** Which category each row has: INT64 [rows, 1], 0 where it is none, else its number from 1. */
export function categoryPlaces(graph: Graph, column: Frame, { kind, values }: Categories): Value {
  const count = values.length;
  const row = kind === 'text' ? graph.texts(values as string[], [1, count]) : graph.doubles(values as number[], [1, count]);
  const input = kind === 'text' ? column.texts() : column.numbers();
  let matches = graph.equal(input, row);
  const missing = values.findIndex((value) => typeof value === 'number' && Number.isNaN(value));
  if (missing !== -1) matches = graph.or(matches, graph.and(graph.node('IsNaN', [input]), graph.booleans(values.map((_, index) => index === missing), [1, count])));
  const numbers = graph.doubles(Float64Array.from(values, (_, index) => index + 1), [count, 1]);
  return graph.cast(graph.matmul(graph.cast(matches, DOUBLE), numbers), INT64);
}

/** A table's row for each row: [rows, width]. The table's first row is for what is no category. */
function lookUp(graph: Graph, places: Value, table: readonly (readonly number[])[]): Value {
  const width = table[0]!.length;
  return graph.reshape(graph.gather(graph.doubles(table.flat(), [table.length, width]), places), [-1, width]);
}

/** To which group each category belongs, where rare ones are put together. */
function groupsOf(record: Fitted, column: number, count: number): readonly number[] {
  const mappings = record.has('_default_to_infrequent_mappings') ? record.list('_default_to_infrequent_mappings')[column] : undefined;
  const groups = mappings === undefined || mappings === null ? undefined : matrixOf(mappings)?.data;
  return groups === undefined ? Array.from({ length: count }, (_, index) => index) : Array.from(groups);
}

function hasRareGroup(record: Fitted, column: number): boolean {
  if (!record.has('_default_to_infrequent_mappings')) return false;
  return record.list('_default_to_infrequent_mappings')[column] !== null;
}

function readCategories(record: Fitted): readonly Categories[] {
  return record.list('categories_').map((value) => categoriesOf(record, value));
}

const oneHotEncoder: Converter = (record) => {
  const categories = readCategories(record);
  const unknown = record.text('handle_unknown', 'error');
  const dropped = record.has('_drop_idx_after_grouping') ? record.list('_drop_idx_after_grouping') : record.has('drop_idx_') ? record.list('drop_idx_') : undefined;
  const tables = categories.map(({ values }, column) => {
    const groups = groupsOf(record, column, values.length);
    const groupCount = values.length === 0 ? 0 : Math.max(...groups) + 1;
    const drop = dropped === undefined ? undefined : numberOf(dropped[column]);
    const width = groupCount - (drop === undefined ? 0 : 1);
    const rowOf = (group: number) => Array.from({ length: width }, (_, place) => (group !== drop && place === (drop !== undefined && group > drop ? group - 1 : group) ? 1 : 0));
    const rare = (unknown === 'infrequent_if_exist' || unknown === 'warn') && hasRareGroup(record, column);
    // Where scikit-learn refuses a row, this one answers that it is no number.
    const first = rare ? rowOf(groupCount - 1) : Array.from({ length: width }, () => (unknown === 'error' ? Number.NaN : 0));
    return [first, ...groups.map(rowOf)];
  });
  return {
    record,
    kinds: categories.map(({ kind }) => kind),
    transform: (rows) => {
      const { graph } = rows;
      return new Frame(graph, tables.flatMap((table, column) => {
        const width = table[0]!.length;
        return width === 0 ? [] : [{ value: lookUp(graph, categoryPlaces(graph, rows.column(column), categories[column]!), table), width }];
      }));
    },
  };
};

const ordinalEncoder: Converter = (record) => {
  const categories = readCategories(record);
  const missingCode = numberOf(record.get('encoded_missing_value')) ?? Number.NaN;
  const unknownCode = record.text('handle_unknown', 'error') === 'use_encoded_value' ? (numberOf(record.get('unknown_value')) ?? Number.NaN) : Number.NaN;
  const tables = categories.map((known, column) => {
    const groups = groupsOf(record, column, known.values.length);
    const hasMissing = listOf(record.list('categories_')[column])!.some(isMissing);
    return [[unknownCode], ...groups.map((group, index) => [hasMissing && index === known.values.length - 1 ? missingCode : group])];
  });
  return {
    record,
    kinds: categories.map(({ kind }) => kind),
    transform: (rows) => {
      const { graph } = rows;
      return new Frame(graph, tables.map((table, column) => ({ value: lookUp(graph, categoryPlaces(graph, rows.column(column), categories[column]!), table), width: 1 })));
    },
  };
};

const targetEncoder: Converter = (record) => {
  const categories = readCategories(record);
  const encodings = record.list('encodings_').map((value) => matrixOf(value)?.data ?? record.refuse('its encodings_ are not numbers'));
  const means = record.vector('target_mean_');
  const perColumn = record.text('target_type_', 'continuous') === 'multiclass' ? record.list('classes_').length : 1;
  return {
    record,
    kinds: categories.map(({ kind }) => kind),
    transform: (rows) => {
      const { graph } = rows;
      return new Frame(graph, categories.map((known, column) => {
        const part = encodings.slice(column * perColumn, (column + 1) * perColumn);
        const table = [part.map((_, index) => means[index]!), ...known.values.map((_, place) => part.map((encoding) => encoding[place]!))];
        return { value: lookUp(graph, categoryPlaces(graph, rows.column(column), known), table), width: perColumn };
      }));
    },
  };
};

function missingOf(graph: Graph, input: Value, missing: number): Value {
  return Number.isNaN(missing) ? graph.node('IsNaN', [input]) : graph.equal(input, missing);
}

const simpleImputer: Converter = (record) => {
  const statistics = record.list('statistics_').map(scalarOf);
  const texts = statistics.some((value) => typeof value === 'string');
  if (texts && !statistics.every((value) => typeof value === 'string')) record.refuse('it fills some columns with texts and others with numbers; give each kind an imputer of its own');
  const keepEmpty = record.flag('keep_empty_features', false);
  const kept = statistics.flatMap((value, index) => (keepEmpty || !isMissing(value ?? null) ? [index] : []));
  const missing = record.get('missing_values');
  const indicator = record.has('indicator_') ? record.child('indicator_') : undefined;
  const flagged = indicator === undefined ? [] : Array.from(indicator.vector('features_'));
  const number = texts ? Number.NaN : (numberOf(missing) ?? Number.NaN);
  const text = typeof missing === 'string' ? missing : '';
  return {
    record,
    ...(texts ? { kinds: statistics.map(() => 'text' as const) } : {}),
    transform: (rows) => {
      const { graph } = rows;
      const input = texts ? rows.texts() : rows.numbers();
      const chosen = kept.length === statistics.length ? input : graph.take(input, kept);
      const fill = texts ? graph.texts(kept.map((index) => statistics[index] as string), [1, kept.length]) : graph.doubles(kept.map((index) => numberOf(statistics[index]) ?? Number.NaN), [1, kept.length]);
      const holes = (value: Value) => (texts ? graph.equal(value, graph.scalar(text)) : missingOf(graph, value, number));
      const blocks = [{ value: graph.where(holes(chosen), fill, chosen), width: kept.length }];
      if (flagged.length > 0) blocks.push({ value: graph.cast(holes(graph.take(input, flagged)), DOUBLE), width: flagged.length });
      return new Frame(graph, blocks);
    },
  };
};

const missingIndicator: Converter = (record) => {
  const features = Array.from(record.vector('features_'));
  const all = record.text('features', 'missing-only') === 'all';
  const missing = numberOf(record.get('missing_values')) ?? Number.NaN;
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const chosen = all ? rows : rows.select(features);
      return Frame.of(graph, graph.cast(missingOf(graph, chosen.numbers(), missing), DOUBLE), chosen.width);
    },
  };
};

export const encoders: Converters = {
  'sklearn.preprocessing._encoders.OneHotEncoder': oneHotEncoder,
  'sklearn.preprocessing._encoders.OrdinalEncoder': ordinalEncoder,
  'sklearn.preprocessing._target_encoder.TargetEncoder': targetEncoder,
  'sklearn.impute._base.SimpleImputer': simpleImputer,
  'sklearn.impute._base.MissingIndicator': missingIndicator,
};
