/** Finds pairs of inputs and outputs that look like a state which the caller carries from one run to the next. */
import type { Dimension, StateSpec } from '../model.ts';
import type { ModelProto } from './model-proto.ts';

interface Named {
  readonly name: string;
  readonly datatype: string;
  /** Undefined: of any rank. */
  readonly shape: readonly Dimension[] | undefined;
}

const stateLike = /state|hidden|cell|cache|memory|past|rnn|lstm|gru|(^|[_.\-/])[hc]x?[0n]?($|[_.\-/\d])/i;

/**
 * Pairs by name (`state` → `stateN`, `h0` → `hn`, `cache_in` → `cache_out`, `past_key_values.0.key` → `present.0.key` …), equal
 * datatype and shapes that fit. They are candidates: only a person can say that the model is meant to be called in sequence.
 */
export function stateCandidates(inputs: readonly Named[], outputs: readonly Named[]): StateSpec[] {
  const pairs: StateSpec[] = [];
  const taken = new Set<string>();
  for (const input of inputs) {
    if (!stateLike.test(input.name)) continue;
    const names = successors(input.name);
    const output = outputs.find((candidate) => names.has(candidate.name.toLowerCase()) && !taken.has(candidate.name) && fits(input, candidate));
    if (output === undefined) continue;
    taken.add(output.name);
    pairs.push({ input: input.name, output: output.name });
  }
  return pairs;
}

/** The key of `metadata_props` under which a model tells its states, as a JSON list of `{ "input", "output" }`. */
export const statesKey = 'states';

/** The states that the file itself declares, where it has the inputs and outputs that they name. */
export function statesFromMetadata(model: ModelProto, inputs: readonly Named[], outputs: readonly Named[]): StateSpec[] {
  const text = model.metadataProps.find((entry) => entry.key === statesKey)?.value;
  if (text === undefined) return [];
  let listed: unknown;
  try {
    listed = JSON.parse(text);
  } catch {
    return [];
  }
  if (!Array.isArray(listed)) return [];
  const pairs: StateSpec[] = [];
  for (const entry of listed as unknown[]) {
    const { input, output } = (entry ?? {}) as { readonly input?: unknown; readonly output?: unknown };
    const [from, to] = [inputs.find(({ name }) => name === input), outputs.find(({ name }) => name === output)];
    if (from === undefined || to === undefined || !fits(from, to) || pairs.some((pair) => pair.input === from.name || pair.output === to.name)) return [];
    pairs.push({ input: from.name, output: to.name });
  }
  return pairs;
}

/** Names, in lower case, that the next value of a state may have. */
function successors(inputName: string): Set<string> {
  const name = inputName.toLowerCase();
  const stem = name.replace(/^(prev|previous|past|initial|init|in|input)[_.]/, '').replace(/[_.](prev|previous|past|initial|init|in|input)$/, '');
  const names = new Set<string>();
  for (const base of new Set([name, stem])) {
    for (const suffix of ['n', '_n', '_next', '_new', '_out', '.out', '_output', '_final', '_updated']) names.add(base + suffix);
    for (const prefix of ['next_', 'new_', 'out_', 'output_', 'final_', 'updated_', 'present_', 'present.']) names.add(prefix + base);
  }
  for (const [from, to] of [
    [/^past_key_values\./, 'present.'],
    [/^past_key_values/, 'present_key_values'],
    [/^past/, 'present'],
    [/(^|[_.])in(put)?($|[_.])/, '$1out$3'],
    [/(^|[_.])input($|[_.])/, '$1output$2'],
    [/([hc]x?)_?0/, '$1n'],
    [/([hc]x?)_?0/, '$1_n'],
    [/([hc]x?)_?0/, '$11'],
  ] as const) {
    names.add(name.replace(from, to));
  }
  if (stem !== name) names.add(stem);
  names.delete(name);
  return names;
}

function fits(input: Named, output: Named): boolean {
  if (input.datatype !== output.datatype) return false;
  if (input.shape === undefined || output.shape === undefined) return true;
  if (input.shape.length !== output.shape.length) return false;
  return input.shape.every((size, axis) => {
    const other = output.shape![axis]!;
    return typeof size === 'string' || typeof other === 'string' || size === -1 || other === -1 || size === other;
  });
}
