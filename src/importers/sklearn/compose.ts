/** Estimators that are made of others, one after the other or side by side. */
import { PickledGlobal, PickledObject, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import type { Convert, Converter, Converters, Estimator } from './estimator.ts';
import { Frame, type ColumnKind } from './frame.ts';
import { listOf, matrixOf, type Fitted } from './fitted.ts';

function isNothing(value: PickleValue | undefined): boolean {
  return value === undefined || value === null || value === 'passthrough';
}

/** Steps and an estimator that gets what the last of them gives. */
export function behind(record: Fitted, steps: readonly Estimator[], last: Estimator | undefined): Estimator {
  const prepare = (rows: Frame) => steps.reduce((current, step) => (step.transform ?? step.record.refuse('it stands in the middle of a pipeline, but does not transform'))(current), rows);
  const first = [...steps, ...(last === undefined ? [] : [last])].find((step) => !isIdentity(step));
  const takes = {
    ...(first?.kinds === undefined ? {} : { kinds: first.kinds }),
    ...(first?.columnNames === undefined ? {} : { columnNames: first.columnNames }),
    ...(first?.takesDocuments === undefined ? {} : { takesDocuments: first.takesDocuments }),
    ...(first?.takesColumns === undefined ? {} : { takesColumns: first.takesColumns }),
  };
  const joint = [...steps, ...(last === undefined ? [] : [last])].some((step) => step.joint === true) ? { joint: true } : {};
  if (last === undefined) return { record, ...takes, ...joint, transform: prepare };
  const wrapped: Record<string, unknown> = { ...last, kinds: undefined, columnNames: undefined, takesDocuments: undefined, takesColumns: undefined };
  for (const [name, method] of Object.entries(last)) if (typeof method === 'function') wrapped[name] = (rows: Frame) => (method as (rows: Frame) => unknown)(prepare(rows));
  if (last.classifiers !== undefined) wrapped['classifiers'] = last.classifiers.map((classifier) => behind(record, steps, classifier));
  return { ...(wrapped as unknown as Estimator), ...takes, ...joint, record };
}

/** A step that passes on what it gets says nothing about the kinds of columns. */
function isIdentity({ record }: Estimator): boolean {
  return record.name === 'FunctionTransformer' && !record.has('func');
}

const pipeline: Converter = (record, convert) => {
  const steps = record.list('steps').flatMap((value) => {
    const step = listOf(value)?.[1];
    if (isNothing(step)) return [];
    if (isSampler(step)) return [];
    return [convert(record.of(step) ?? record.refuse('one of its steps is not an estimator'))];
  });
  const last = steps.at(-1);
  if (last === undefined) return { record, transform: (rows) => rows };
  const ends = last.predict !== undefined || last.classes !== undefined || last.cluster !== undefined || last.classifiers !== undefined || last.multilabel !== undefined || last.scoreSamples !== undefined;
  return ends ? behind(record, steps.slice(0, -1), last) : { ...behind(record, steps, undefined), ...alsoOf(record, steps) };
};

/** imbalanced-learn's samplers only change what is learned from. */
function isSampler(step: PickleValue | undefined): boolean {
  return step instanceof PickledObject && /^imblearn\.(?:over_sampling|under_sampling|combine)\./.test(step.path);
}

/** Beside the last step's transform, what else it tells. */
function alsoOf(record: Fitted, steps: readonly Estimator[]): Pick<Estimator, 'also'> {
  const last = steps.at(-1);
  return last?.also === undefined ? {} : { also: behind(record, steps.slice(0, -1), last).also! };
}

interface Part {
  readonly columns: readonly number[];
  readonly estimator: Estimator | undefined;
}

/** Places of the columns that a part of a ColumnTransformer takes. */
function columnsOf(record: Fitted, name: string, given: PickleValue | undefined, width: number, names: readonly string[] | undefined): readonly number[] {
  const known = record.get('_transformer_to_input_indices');
  const indices = known instanceof Map ? matrixOf((known as Map<PickleValue, PickleValue>).get(name)) : undefined;
  if (indices !== undefined) return Array.from(indices.data);
  const list = typeof given === 'string' || typeof given === 'number' ? [given] : listOf(given);
  if (list === undefined) return record.refuse(`the columns of '${name}' cannot be read; say them as a list of names or numbers`);
  if (list.every((column) => typeof column === 'boolean')) return list.flatMap((chosen, index) => (chosen === true ? [index] : []));
  return list.map((column) => {
    const place = typeof column === 'string' ? (names?.indexOf(column) ?? -1) : typeof column === 'number' ? (column < 0 ? column + width : column) : -1;
    return place < 0 || place >= width ? record.refuse(`'${name}' takes the column ${JSON.stringify(column)}, which was not there when it was fitted`) : place;
  });
}

/** The names that the parts take, where the file does not tell those of the frame (before 0.23) and no other column is used. */
function namesTaken(record: Fitted): readonly string[] | undefined {
  const columns = record.list('transformers_').flatMap((value) => {
    const [, transformer, taken] = listOf(value) ?? [];
    return transformer === 'drop' ? [] : typeof taken === 'string' ? [taken] : (listOf(taken) ?? [taken]);
  });
  const names = columns.filter((column) => typeof column === 'string');
  return names.length === 0 || names.length !== columns.length ? undefined : [...new Set(names)];
}

const columnTransformer: Converter = (record, convert) => {
  const names = record.featureNames ?? namesTaken(record);
  const width = record.featureNames === undefined && names !== undefined ? names.length : record.number('n_features_in_', names?.length ?? record.number('_n_features', 0));
  if (record.featureNames === undefined && names !== undefined) convert.import.columns.set(record.object, { count: width, names });
  const parts = record.list('transformers_').flatMap((value): Part[] => {
    const [name, transformer, columns] = listOf(value) ?? [];
    if (typeof name !== 'string') return record.refuse('its transformers_ cannot be read');
    const places = columnsOf(record, name, columns, width, names);
    if (transformer === 'drop' || places.length === 0) return [];
    if (isNothing(transformer)) return [{ columns: places, estimator: undefined }];
    return [{ columns: places, estimator: convert(record.of(transformer) ?? record.refuse(`'${name}' is not an estimator`)) }];
  });
  const kinds = Array.from({ length: width }, (): ColumnKind => 'unused');
  for (const { columns, estimator } of parts) {
    for (const [index, column] of columns.entries()) {
      const kind = estimator?.takesDocuments === true ? 'text' : (estimator?.kinds?.[index] ?? 'number');
      if (kind === 'unused') continue;
      if (kinds[column] !== 'unused' && kinds[column] !== kind && estimator !== undefined && !isIdentity(estimator)) record.refuse(`column ${names?.[column] ?? column} is taken as text by one part and as a number by another`);
      if (kinds[column] !== 'text') kinds[column] = kind;
    }
  }
  return {
    record,
    kinds,
    takesColumns: true,
    ...(parts.some(({ estimator }) => estimator?.joint === true) ? { joint: true } : {}),
    transform: (rows) =>
      Frame.join(rows.graph, parts.map(({ columns, estimator }) => {
        const chosen = rows.select(columns);
        if (estimator === undefined) return chosen;
        return (estimator.transform ?? estimator.record.refuse('it is part of a ColumnTransformer, but does not transform'))(chosen);
      })),
  };
};

const featureUnion: Converter = (record, convert) => {
  const parts = record.list('transformer_list').flatMap((value) => {
    const step = listOf(value)?.[1];
    if (step === 'drop' || step === null) return [];
    return [step === 'passthrough' ? undefined : convert(record.of(step) ?? record.refuse('one of its parts is not an estimator'))];
  });
  const kinds = parts.find((part) => part?.kinds !== undefined)?.kinds;
  const documents = parts.some((part) => part?.takesDocuments === true);
  return {
    record,
    ...(parts.some((part) => part?.joint === true) ? { joint: true } : {}),
    ...(kinds === undefined ? {} : { kinds }),
    ...(documents ? { takesDocuments: true } : {}),
    ...(parts.some((part) => part?.takesColumns === true) ? { takesColumns: true } : {}),
    transform: (rows) => Frame.join(rows.graph, parts.map((part) => (part === undefined ? rows : (part.transform ?? part.record.refuse('it is part of a FeatureUnion, but does not transform'))(rows)))),
  };
};

/** The estimator inside, fitted on everything. */
function inner(attribute: string): Converter {
  return (record: Fitted, convert: Convert) => {
    if (!record.has(attribute)) record.refuse(`it has no ${attribute}: fit it with refit=True`);
    return { ...convert(record.child(attribute)), record };
  };
}

/** The class as a parameter names it. */
export function parameterName(value: PickleValue | undefined): string | undefined {
  return value instanceof PickledGlobal || value instanceof PickledObject ? value.path : typeof value === 'string' ? value : undefined;
}

export const compositions: Converters = {
  'sklearn.pipeline.Pipeline': pipeline,
  'sklearn.pipeline.FeatureUnion': featureUnion,
  'sklearn.compose._column_transformer.ColumnTransformer': columnTransformer,
  'imblearn.pipeline.Pipeline': pipeline,
  'sklearn.model_selection._search.GridSearchCV': inner('best_estimator_'),
  'sklearn.model_selection._search.RandomizedSearchCV': inner('best_estimator_'),
  'sklearn.model_selection._search_successive_halving.HalvingGridSearchCV': inner('best_estimator_'),
  'sklearn.model_selection._search_successive_halving.HalvingRandomSearchCV': inner('best_estimator_'),
  'sklearn.frozen._frozen.FrozenEstimator': inner('estimator'),
  'sklearn.semi_supervised._self_training.SelfTrainingClassifier': (record, convert) => inner(record.has('estimator_') ? 'estimator_' : 'base_estimator_')(record, convert),
};
