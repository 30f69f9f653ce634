/** What Python's `str.lower` and scikit-learn's `strip_accents` make of each character, as tables that a graph looks up. */
import { ModelportError } from '../../errors.ts';
import { BOOL, INT64, STRING, type Graph, type Value } from './graph.ts';

export type Accents = 'ascii' | 'unicode' | undefined;

/** Of characters that are not in the table: they stay, or go. */
export interface CharacterTable {
  readonly entries: ReadonlyMap<string, string>;
  readonly othersStay: boolean;
}

/** The last character that a capital letter, or a decomposition, has is below; what lies above stays as it is. */
const lastCharacter = 0x2_fa20;

/** Whether the character combines with the one before it: its canonical combining class is not 0, so that it moves among others of its kind. */
function isCombining(character: string): boolean {
  if (!/^\p{M}$/u.test(character)) return false;
  const after = `a${character}\u{334}`;
  const before = `a\u{301}${character}`;
  return after.normalize('NFD') !== after || before.normalize('NFD') !== before || character === '\u{334}' || character === '\u{301}';
}

function withoutAccents(text: string, accents: Accents): string {
  if (accents === undefined) return text;
  const apart = [...text.normalize('NFKD')];
  return apart.filter((character) => (accents === 'ascii' ? character < '\u{80}' : !isCombining(character))).join('');
}

export function characterTable(lowercase: boolean, accents: Accents): CharacterTable {
  const entries = new Map<string, string>();
  const othersStay = accents !== 'ascii';
  for (let code = 0; code < lastCharacter; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const character = String.fromCodePoint(code);
    const made = withoutAccents(lowercase ? character.toLowerCase() : character, accents);
    if (othersStay ? made !== character : made !== '') entries.set(character, made);
  }
  return { entries, othersStay };
}

/** Texts [rows] as characters [rows, most characters]; '' fills up. There is at least one column, the last, that is ''. */
export function charactersOf(graph: Graph, texts: Value): Value {
  const found = graph.node('Tokenizer', [texts], { domain: 'com.microsoft', attributes: { mark: 0, pad_value: '', separators: [''], mincharnum: 1 } });
  return withEmptyColumn(graph, graph.builder.refine(found, { elementType: STRING, shape: ['rows', 'characters'] }), texts);
}

/** One more column of '', after what may have no column. */
export function withEmptyColumn(graph: Graph, tokens: Value, texts: Value): Value {
  const empty = graph.where(graph.equal(texts, texts), graph.scalar(''), graph.scalar(''));
  return graph.concat([tokens, graph.unsqueeze(empty, 1)]);
}

/** Characters by the table: INT64 places in it, 0 where a character is not there. */
function placesOf(graph: Graph, characters: Value, keys: readonly string[], values: readonly number[]): Value {
  const attributes = { keys_strings: keys, values_int64s: values, default_int64: 0 };
  return graph.builder.refine(graph.node('LabelEncoder', [characters], { domain: 'ai.onnx.ml', attributes }), { elementType: INT64 });
}

/** The texts [rows], character by character through the table. */
export function mapCharacters(graph: Graph, texts: Value, { entries, othersStay }: CharacterTable, lowercase: boolean): Value {
  const characters = charactersOf(graph, texts);
  const keys = [...entries.keys()];
  const places = placesOf(graph, characters, keys, keys.map((_, index) => index + 1));
  const mapped = graph.gather(graph.texts(['', ...entries.values()]), places);
  const chosen = othersStay ? graph.where(graph.greater(places, 0), mapped, characters) : mapped;
  return joined(graph, lowercase && othersStay ? withFinalSigmas(graph, characters, chosen) : chosen);
}

/**
 * A capital sigma at the end of a word becomes another letter than elsewhere: before it, perhaps behind characters that do not count (apostrophes, marks), stands
 * a letter that has cases, and none after it. (The Unicode Standard, 3.13, Final_Sigma.)
 */
function withFinalSigmas(graph: Graph, characters: Value, lowered: Value): Value {
  const keys: string[] = [];
  const kinds: number[] = [];
  for (let code = 0; code < lastCharacter; code++) {
    if (code >= 0xd800 && code < 0xe000) continue;
    const character = String.fromCodePoint(code);
    const kind = /\p{Case_Ignorable}/u.test(character) ? ignored : /\p{Cased}/u.test(character) ? cased : 0;
    if (kind === 0) continue;
    keys.push(character);
    kinds.push(kind);
  }
  const kind = placesOf(graph, characters, keys, kinds);
  const counts = graph.not(graph.equal(kind, ignored));
  const isCased = graph.cast(graph.equal(kind, cased), INT64);
  const { packed } = pack(graph, isCased, counts, graph.scalar(0, INT64));
  const running = graph.node('CumSum', [graph.cast(counts, INT64), graph.scalar(1, INT64)]);
  // One column before the first, and one behind the last, that are no letters.
  const edge = graph.multiply(graph.take(isCased, [0]), 0);
  const line = graph.concat([edge, packed, edge]);
  const before = graph.node('GatherElements', [line, graph.subtract(running, graph.cast(counts, INT64))], { attributes: { axis: 1 } });
  const after = graph.node('GatherElements', [line, graph.add(running, 1)], { attributes: { axis: 1 } });
  const final = graph.and(graph.equal(characters, graph.scalar('Σ')), graph.and(graph.equal(before, 1), graph.equal(after, 0)));
  return graph.where(final, graph.scalar('ς'), lowered);
}

const cased = 1;
const ignored = 2;

/** What is kept of each row, moved together to the left; `rest` fills up. `keep` is BOOL [rows, columns], of at least one column. */
export function pack(graph: Graph, values: Value, keep: Value, rest: Value): { readonly packed: Value; readonly kept: Value } {
  if (keep.elementType !== BOOL) throw new ModelportError('INTERNAL', 'what is kept is not told by truth values');
  const width = graph.node('Gather', [graph.node('Shape', [keep]), graph.scalar(1, INT64)]);
  const places = graph.node('Range', [graph.scalar(0, INT64), width, graph.scalar(1, INT64)]);
  const keys = graph.where(keep, places, graph.add(places, width));
  const [sorted, order] = graph.nodes('TopK', [keys, graph.reshape(width, [1])], 2, { attributes: { axis: 1, largest: 0, sorted: 1 } });
  const kept = graph.less(sorted!, width);
  return { packed: graph.where(kept, graph.node('GatherElements', [values, order!], { attributes: { axis: 1 } }), rest), kept };
}

/** The texts [rows] of characters or longer parts [rows, parts]: neighbours are joined until one is left. */
export function joined(graph: Graph, parts: Value): Value {
  const [whole] = graph.loop(mostHalvings, [parts], (body, [line]) => {
    const width = body.node('Shape', [line!], { attributes: { start: 1, end: 2 } });
    const padded = body.concat([line!, body.node('Slice', [emptied(body, line!), body.integers([0]), body.integers([1]), body.integers([1])])]);
    const half = body.node('Div', [body.add(width, body.integers([1])), body.integers([2])]);
    const even = body.node('Slice', [padded, body.integers([0]), body.multiply(half, body.integers([2])), body.integers([1])]);
    const pairs = body.reshape(even, [0, -1, 2]);
    const side = (index: number) => body.gather(pairs, body.scalar(index, INT64), 2);
    return { carried: [body.node('StringConcat', [side(0), side(1)])], goOn: body.squeeze(body.greater(half, body.integers([1])), 0) };
  });
  return graph.reshape(graph.builder.refine(whole!, { elementType: STRING }), [-1]);
}

/** Enough for 2⁴⁰ characters. */
const mostHalvings = 40;

function emptied(graph: Graph, texts: Value): Value {
  return graph.where(graph.equal(texts, texts), graph.scalar(''), graph.scalar(''));
}
