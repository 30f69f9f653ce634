/** From documents to the words or characters that a vectorizer of scikit-learn counts: the steps of its `build_analyzer`. */
import { characterTable, charactersOf, mapCharacters, pack, withEmptyColumn, type Accents } from './characters.ts';
import { englishStopWords } from './english-stop-words.ts';
import { listOf, matrixOf, type Fitted } from './fitted.ts';
import { INT64, STRING, type Graph, type Value } from './graph.ts';

export interface Analysis {
  /** Lengths of the sequences that are counted. */
  readonly shortest: number;
  readonly longest: number;
  /** Texts [rows] to parts [rows, parts]; '' fills up, and no sequence goes across it. */
  parts(graph: Graph, texts: Value): Value;
  /** The sequences of parts that stand for a term; undefined where no document can have it. */
  sequenceOf(term: string): readonly string[] | undefined;
}

/** Stands between words where characters are counted within words. It is in no document. */
const border = '\u{0}border';

/** White space as Python has it; `\s` of other regular expressions is less. */
const whiteSpace = ['\t', '\n', '\v', '\f', '\r', '\u{1c}', '\u{1d}', '\u{1e}', '\u{1f}', ' ', '\u{85}', '\u{a0}', '\u{1680}', ...Array.from({ length: 11 }, (_, index) => String.fromCodePoint(0x2000 + index)), '\u{2028}', '\u{2029}', '\u{202f}', '\u{205f}', '\u{3000}'];

/** Throws `INVALID_MODEL` where the vectorizer analyses in a way that is not covered. */
export function analysisOf(record: Fitted): Analysis {
  for (const [name, what] of [['tokenizer', 'a function of its own as tokenizer'], ['preprocessor', 'a function of its own as preprocessor']] as const) if (record.has(name)) record.refuse(`it has ${what}; say what it does by token_pattern, lowercase and strip_accents`);
  if (record.text('input', 'content') !== 'content') record.refuse(`it reads files (input='${record.text('input')}'); documents are given as texts`);
  const analyzer = record.get('analyzer') ?? 'word';
  if (typeof analyzer !== 'string') return record.refuse("its analyzer is a function of its own; 'word', 'char' and 'char_wb' are covered");
  const [shortest, longest] = Array.from(matrixOf(record.get('ngram_range'))?.data ?? [1, 1]) as [number, number];
  if (!(Number.isInteger(shortest) && Number.isInteger(longest) && shortest >= 1 && longest >= shortest && longest <= 50)) record.refuse('its ngram_range is malformed');
  const prepare = preparation(record);
  switch (analyzer) {
    case 'word':
      return words(record, prepare, shortest, longest);
    case 'char':
      return { shortest, longest, parts: (graph, texts) => spacedOnce(graph, charactersOf(graph, prepare(graph, texts))), sequenceOf: (term) => charactersWithin(term, shortest, longest) };
    case 'char_wb':
      return {
        shortest: 1,
        longest: Math.max(longest, shortest + 1),
        parts: (graph, texts) => borderedWords(graph, charactersOf(graph, prepare(graph, texts))),
        sequenceOf(term) {
          // A word that is shorter than the shortest sequence counts as a whole.
          const characters = [...term];
          return characters.length < shortest ? [border, ...characters, border] : charactersWithin(term, shortest, longest);
        },
      };
    default:
      return record.refuse(`its analyzer '${analyzer}' is not covered; 'word', 'char' and 'char_wb' are`);
  }
}

function charactersWithin(term: string, shortest: number, longest: number): readonly string[] | undefined {
  const characters = [...term];
  return characters.length >= shortest && characters.length <= longest ? characters : undefined;
}

function preparation(record: Fitted): (graph: Graph, texts: Value) => Value {
  const lowercase = record.flag('lowercase', true);
  const given = record.get('strip_accents');
  if (given !== undefined && given !== 'ascii' && given !== 'unicode') record.refuse("its strip_accents is a function of its own; 'ascii' and 'unicode' are covered");
  if (!lowercase && given === undefined) return (_, texts) => texts;
  const table = characterTable(lowercase, given as Accents);
  return (graph, texts) => mapCharacters(graph, texts, table, lowercase);
}

function words(record: Fitted, prepare: (graph: Graph, texts: Value) => Value, shortest: number, longest: number): Analysis {
  const expression = tokenExpression(record, record.text('token_pattern', String.raw`(?u)\b\w\w+\b`));
  const left = stopWords(record);
  return {
    shortest,
    longest,
    parts(graph, texts) {
      const prepared = prepare(graph, texts);
      const found = graph.node('Tokenizer', [prepared], { domain: 'com.microsoft', attributes: { mark: 0, pad_value: '', tokenexp: expression, mincharnum: 1 } });
      const tokens = withEmptyColumn(graph, graph.builder.refine(found, { elementType: STRING, shape: ['rows', 'tokens'] }), prepared);
      if (left.size === 0) return tokens;
      const attributes = { keys_strings: [...left], values_int64s: [...left].map(() => 1), default_int64: 0 };
      const isLeft = graph.builder.refine(graph.node('LabelEncoder', [tokens], { domain: 'ai.onnx.ml', attributes }), { elementType: INT64 });
      // Words come together where one between them is left out.
      return pack(graph, tokens, graph.equal(isLeft, 0), graph.scalar('')).packed;
    },
    sequenceOf(term) {
      const parts = term.split(' ');
      return parts.length >= shortest && parts.length <= longest && parts.every((part) => part !== '' && !left.has(part)) ? parts : undefined;
    },
  };
}

function stopWords(record: Fitted): ReadonlySet<string> {
  const given = record.get('stop_words');
  if (given === undefined) return new Set();
  if (given === 'english') return englishStopWords;
  const list = given instanceof Set ? [...(given as Set<unknown>)] : listOf(given);
  return list?.every((word) => typeof word === 'string') === true ? new Set(list as string[]) : record.refuse("its stop_words are neither 'english' nor a list of texts");
}

/** What `\w` of Python's `re` matches: what `str.isalnum` holds for, and the underscore. */
const wordCharacter = String.raw`\p{L}\p{N}_`;

/**
 * The pattern for RE2, in which `\w` and `\b` know ASCII only. Covered is what means the same there: runs of character classes, `\w` and plain characters, and `\b` around runs of `\w`
 * that take in all of a word anyway.
 */
export function tokenExpression(record: Fitted, pattern: string): string {
  const refuse = (why: string): never => record.refuse(String.raw`its token_pattern ${JSON.stringify(pattern)} ${why}; (?u)\b\w\w+\b, \w+, \S+ and classes such as [a-z]+ are covered`);
  const bare = pattern.replace(/^\(\?u\)/, '');
  const bordered = /^\\b((?:\\w(?:[+*]|\{\d+,\})?)+)\\b$/.exec(bare);
  // Greedy from a border to a border: a whole run of word characters of some length, which is what the same run is without borders.
  if (bordered !== null) return /(?:[+*]|,\})/.test(bordered[1]!) ? translate(bordered[1]!, refuse) : refuse('asks for words of one length');
  return translate(bare, refuse);
}

function translate(pattern: string, refuse: (why: string) => never): string {
  let result = '';
  const token = /\\w|\\d|\\S|\[(\^?)((?:\\[wd.\-_'\]\\]|[^\\\]^[&~|-]|[a-zA-Z0-9]-[a-zA-Z0-9])+)\]|[\p{L}\p{N}_'@#-]|[+*?]|\{\d+(?:,\d*)?\}/uy;
  while (token.lastIndex < pattern.length) {
    const at = token.lastIndex;
    const match = token.exec(pattern);
    if (match === null) return refuse(`has a part that is not covered, ${JSON.stringify(pattern.slice(at, at + 12))}`);
    const [text, negated, members] = match;
    if (text === String.raw`\w`) result += `[${wordCharacter}]`;
    else if (text === String.raw`\d`) result += String.raw`\p{Nd}`;
    else if (text === String.raw`\S`) result += `[^${whiteSpace.join('')}]`;
    else if (members !== undefined) {
      if (negated === '^' || members.includes(' ')) return refuse('has a class that may take in white space');
      result += `[${members.replaceAll(String.raw`\w`, wordCharacter).replaceAll(String.raw`\d`, String.raw`\p{Nd}`)}]`;
    } else result += text;
  }
  if (/^(?:[+*?{]|$)|[+*?}][+*?{]/.test(result)) return refuse('is no such run');
  return new RegExp(`^(?:${result})$`, 'u').test('') ? refuse('may match nothing') : result;
}

function isSpace(graph: Graph, characters: Value): Value {
  const attributes = { keys_strings: whiteSpace, values_int64s: whiteSpace.map(() => 1), default_int64: 0 };
  return graph.equal(graph.builder.refine(graph.node('LabelEncoder', [characters], { domain: 'ai.onnx.ml', attributes }), { elementType: INT64 }), 1);
}

/** The same one place earlier or later; `edge` comes in at the border. */
function shifted(graph: Graph, flags: Value, towardsEnd: boolean): Value {
  const edge = graph.and(graph.node('Slice', [flags, graph.integers([0]), graph.integers([1]), graph.integers([1])]), graph.booleans([false], [1, 1]));
  const [start, end] = towardsEnd ? [0, -1] : [1, 2 ** 31];
  const rest = graph.node('Slice', [flags, graph.integers([start]), graph.integers([end]), graph.integers([1])]);
  return graph.concat(towardsEnd ? [edge, rest] : [rest, edge]);
}

/** Two and more white characters are one space; one stays what it is. */
function spacedOnce(graph: Graph, characters: Value): Value {
  const space = isSpace(graph, characters);
  const before = shifted(graph, space, true);
  const after = shifted(graph, space, false);
  const inRun = graph.and(space, graph.or(before, after));
  const once = graph.where(inRun, graph.scalar(' '), characters);
  return pack(graph, once, graph.not(graph.and(space, before)), graph.scalar('')).packed;
}

/** Each word with a space on both sides, and a border beyond them. */
function borderedWords(graph: Graph, characters: Value): Value {
  const letter = graph.not(graph.or(isSpace(graph, characters), graph.equal(characters, graph.scalar(''))));
  const first = graph.and(letter, graph.not(shifted(graph, letter, true)));
  const last = graph.and(letter, graph.not(shifted(graph, letter, false)));
  const when = (condition: Value, text: string) => graph.where(condition, graph.scalar(text), graph.scalar(''));
  const slots = [when(first, border), when(first, ' '), graph.where(letter, characters, graph.scalar('')), when(last, ' '), when(last, border)];
  const line = graph.reshape(graph.concat(slots.map((slot) => graph.unsqueeze(slot, 2)), 2), [0, -1]);
  return pack(graph, line, graph.not(graph.equal(line, graph.scalar(''))), graph.scalar('')).packed;
}
