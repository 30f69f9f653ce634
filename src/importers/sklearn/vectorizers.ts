/** Documents as counts of their words, and what becomes of counts. Matrices are dense here. */
import type { PickleValue } from '../../formats/pickle/pickle-value.ts';
import type { Converter, Converters, Estimator } from './estimator.ts';
import { Frame, type Block } from './frame.ts';
import { matrixOf, numberOf, type Fitted } from './fitted.ts';
import { DOUBLE, INT64, type Graph, type Value } from './graph.ts';
import { analysisOf, type Analysis } from './text-analysis.ts';

/** A row of this many numbers takes 32 MB. */
const mostColumns = 1 << 22;

function documentsOf(rows: Frame): Value {
  return rows.graph.reshape(rows.texts(), [-1]);
}

/** Terms by column. */
function vocabularyOf(record: Fitted): readonly string[] {
  const known = record.get('vocabulary_') ?? record.get('vocabulary');
  if (!(known instanceof Map)) return record.refuse('it has no vocabulary_; is it fitted?');
  const terms: string[] = [];
  for (const [term, place] of known as Map<PickleValue, PickleValue>) {
    const column = numberOf(place);
    if (typeof term !== 'string' || column === undefined || !Number.isInteger(column) || column < 0 || column >= known.size) return record.refuse('its vocabulary_ does not number its terms');
    terms[column] = term;
  }
  for (let column = 0; column < known.size; column++) if (terms[column] === undefined) return record.refuse(`its vocabulary_ has no term for column ${column}`);
  return terms;
}

/** How often each term is in each document. */
function counts(graph: Graph, texts: Value, analysis: Analysis, terms: readonly string[]): Value {
  // A term that no document can have holds its column by something that is in no text.
  const sequences = terms.map((term, column) => ({ column, sequence: analysis.sequenceOf(term) ?? [`\u{0}${column}`] }));
  const longest = sequences.reduce((most, { sequence }) => Math.max(most, sequence.length), 1);
  const pool: string[] = [];
  const columns: number[] = [];
  const starts: number[] = [];
  for (let length = 1; length <= longest; length++) {
    starts.push(pool.length);
    for (const { column, sequence } of sequences) {
      if (sequence.length !== length) continue;
      pool.push(...sequence);
      columns.push(column);
    }
  }
  const attributes = { mode: 'TF', min_gram_length: 1, max_gram_length: longest, max_skip_count: 0, ngram_counts: starts, ngram_indexes: columns, pool_strings: pool };
  return graph.cast(graph.node('TfIdfVectorizer', [analysis.parts(graph, texts)], { attributes }), DOUBLE);
}

function countsOf(record: Fitted): { readonly width: number; readonly write: (rows: Frame) => Value } {
  const analysis = analysisOf(record);
  const terms = vocabularyOf(record);
  if (terms.length === 0) record.refuse('its vocabulary is empty');
  const binary = record.flag('binary', false);
  return {
    width: terms.length,
    write(rows) {
      const found = counts(rows.graph, documentsOf(rows), analysis, terms);
      return binary ? rows.graph.minimum(found, 1) : found;
    },
  };
}

const countVectorizer: Converter = (record) => {
  const { width, write } = countsOf(record);
  return { record, takesDocuments: true, transform: (rows) => Frame.of(rows.graph, write(rows), width) };
};

const tfidfVectorizer: Converter = (record, convert) => {
  const { width, write } = countsOf(record);
  const weigh = convert(record.child('_tfidf'));
  return { record, takesDocuments: true, transform: (rows) => weigh.transform!(Frame.of(rows.graph, write(rows), width)) };
};

function normalized(graph: Graph, rows: Value, kind: PickleValue | undefined): Value {
  if (kind === undefined) return rows;
  const norm = kind === 'l1' ? graph.reduce('ReduceL1', rows) : kind === 'max' ? graph.reduce('ReduceMax', graph.map('Abs', rows)) : graph.map('Sqrt', graph.reduce('ReduceSumSquare', rows));
  return graph.divide(rows, graph.where(graph.equal(norm, 0), 1, norm));
}

/** Counts weighted by how rare their words are. */
const inverseFrequencies: Converter = (record) => {
  const frequencies = record.has('idf_') ? record.get('idf_') : record.get('_idf_diag');
  const diagonal = matrixOf(frequencies);
  const weights = diagonal === undefined || diagonal.shape.length < 2 ? diagonal?.data : Float64Array.from({ length: diagonal.shape[0]! }, (_, at) => diagonal.data[at * (diagonal.shape[0]! + 1)]!);
  if (weights === undefined && record.flag('use_idf', true)) record.refuse('it has no idf_');
  return {
    record,
    transform: (rows) => {
      const { graph } = rows;
      const found = rows.numbers();
      const present = graph.greater(found, 0);
      const tempered = record.flag('sublinear_tf', false) ? graph.where(present, graph.add(graph.map('Log', graph.where(present, found, 1)), 1), 0) : found;
      const weighted = weights === undefined ? tempered : graph.multiply(tempered, graph.doubles(weights, [1, weights.length]));
      return Frame.of(graph, normalized(graph, weighted, record.get('norm')), rows.width);
    },
  };
};

/** Each sequence of parts goes to the column that its hash (MurmurHash3 of its UTF-8) names, added or taken away by the hash's sign. */
const hashingVectorizer: Converter = (record) => {
  const width = record.number('n_features', 1 << 20);
  if (!(width >= 1 && width <= mostColumns)) record.refuse(`n_features is ${width}; up to ${mostColumns} are covered`);
  if (record.text('analyzer', 'word') === 'char_wb') record.refuse("analyzer='char_wb' is not covered; 'word' and 'char' are");
  const analysis = analysisOf(record);
  const space = record.text('analyzer', 'word') === 'word' ? ' ' : '';
  // Where hits cancel each other out, they are hits nevertheless.
  const binary = record.flag('binary', false);
  const alternate = record.flag('alternate_sign', true) && !binary;
  const transform = (rows: Frame): Frame => {
    const { graph } = rows;
    const parts = analysis.parts(graph, documentsOf(rows));
    const zero = graph.multiply(graph.sum(graph.cast(graph.equal(parts, graph.scalar('')), DOUBLE)), 0);
    let total = graph.node('Expand', [zero, graph.integers([1, width])]);
    let sequences = parts;
    for (let length = 1; length <= analysis.longest; length++) {
      if (length > 1) sequences = graph.where(graph.equal(later(graph, parts, length - 1), graph.scalar('')), graph.scalar(''), graph.node('StringConcat', [graph.node('StringConcat', [sequences, graph.scalar(space)]), later(graph, parts, length - 1)]));
      if (length >= analysis.shortest) total = scattered(graph, total, sequences, width, alternate);
    }
    const whole = binary ? graph.minimum(total, 1) : total;
    return Frame.of(graph, normalized(graph, whole, record.get('norm')), width);
  };
  return { record, takesDocuments: true, transform };
};

/** The parts that stand `count` places later; '' behind the last. */
function later(graph: Graph, parts: Value, count: number): Value {
  const empty = graph.where(graph.equal(parts, parts), graph.scalar(''), graph.scalar(''));
  const longer = graph.concat([parts, ...Array.from({ length: count }, () => graph.node('Slice', [empty, graph.integers([0]), graph.integers([1]), graph.integers([1])]))]);
  return graph.node('Slice', [longer, graph.integers([count]), graph.integers([2 ** 31]), graph.integers([1])]);
}

function scattered(graph: Graph, total: Value, sequences: Value, width: number, alternate: boolean): Value {
  const raw = graph.builder.refine(graph.node('MurmurHash3', [sequences], { domain: 'com.microsoft', attributes: { positive: 0, seed: 0 } }), { elementType: 6 });
  const hash = graph.cast(raw, INT64);
  const column = graph.node('Mod', [graph.map('Abs', hash), graph.scalar(width, INT64)]);
  const sign = alternate ? graph.where(graph.less(hash, 0), graph.scalar(-1), graph.scalar(1)) : graph.scalar(1);
  const added = graph.where(graph.equal(sequences, graph.scalar('')), graph.scalar(0), sign);
  return graph.node('ScatterElements', [total, column, added], { attributes: { axis: 1, reduction: 'add' } });
}

/**
 * Rows that Python has as dicts are columns here: `city=Paris` and `city=Rome` are of the text column `city`, other names are columns of numbers. What a dict would not have
 * is '' or NaN.
 */
const dictVectorizer: Converter = (record): Estimator => {
  const names = record.texts('feature_names_');
  const separator = record.text('separator', '=');
  const columns = new Map<string, 'number' | 'text'>();
  const parsed = names.map((name) => {
    const place = name.indexOf(separator);
    const column = place < 0 ? name : name.slice(0, place);
    const kind = place < 0 ? 'number' : 'text';
    if (columns.has(column) && columns.get(column) !== kind) record.refuse(`'${column}' was a number in some rows and a text in others`);
    columns.set(column, kind);
    return { column, category: place < 0 ? undefined : name.slice(place + separator.length) };
  });
  const order = [...columns.keys()];
  const [only] = columns.values();
  if (only === undefined) record.refuse('it knows no feature');
  return {
    record,
    kinds: [...columns.values()],
    columnNames: order,
    takesColumns: true,
    transform: (rows) => {
      const { graph } = rows;
      const blocks = parsed.map(({ column, category }): Block => {
        const chosen = rows.column(order.indexOf(column));
        if (category !== undefined) return { value: graph.cast(graph.equal(chosen.texts(), graph.scalar(category)), DOUBLE), width: 1 };
        const number = chosen.numbers();
        return { value: graph.where(graph.node('IsNaN', [number]), 0, number), width: 1 };
      });
      return new Frame(graph, blocks);
    },
  };
};

export const vectorizers: Converters = {
  'sklearn.feature_extraction.text.CountVectorizer': countVectorizer,
  'sklearn.feature_extraction.text.TfidfVectorizer': tfidfVectorizer,
  'sklearn.feature_extraction.text.TfidfTransformer': inverseFrequencies,
  'sklearn.feature_extraction.text.HashingVectorizer': hashingVectorizer,
  'sklearn.feature_extraction._dict_vectorizer.DictVectorizer': dictVectorizer,
  'sklearn.feature_extraction._hash.FeatureHasher': (record) => record.refuse('it takes dicts of any keys, which a model with named inputs cannot; DictVectorizer and HashingVectorizer are covered'),
};
