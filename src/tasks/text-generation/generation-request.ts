/** How a text is to be continued: from the fields of a value, or the parameters of a generate request. */
import { ModelportError } from '../../errors.ts';
import type { Parameters } from '../../model.ts';
import { type Fields, describe, readCount, readNumber } from '../request/read-fields.ts';
import type { Sampling } from './sampling.ts';

export interface GenerationSettings {
  readonly maxTokens: number;
  readonly stops: readonly string[];
  readonly sampling: Sampling;
}

export const settingNames = ['maxTokens', 'temperature', 'topK', 'topP', 'repetitionPenalty', 'stop', 'seed'] as const;

export type Defaults = { readonly [Name in Exclude<(typeof settingNames)[number], 'stop' | 'seed'>]: number };

const longestStop = 1000;
const mostStops = 16;

/**
 * Throws `INVALID_VALUE` naming the field. `most`: tokens that there is room for. The default is cut to that, also where it is sent:
 * forms and Gradio's clients send defaults.
 */
export function readSettings(fields: Fields, defaults: Defaults, most: number): GenerationSettings {
  const given = fields['maxTokens'];
  const isDefault = given === undefined || given === defaults.maxTokens || given === String(defaults.maxTokens);
  return {
    maxTokens: isDefault ? Math.min(defaults.maxTokens, most) : readCount(fields, 'maxTokens', defaults.maxTokens, 1, most),
    stops: readStops(fields['stop']),
    sampling: {
      temperature: readNumber(fields, 'temperature', defaults.temperature, 0, 100),
      topK: readCount(fields, 'topK', defaults.topK, 0, 1_000_000),
      topP: readNumber(fields, 'topP', defaults.topP, 0.000001, 1),
      repetitionPenalty: readNumber(fields, 'repetitionPenalty', defaults.repetitionPenalty, 0.01, 100),
      // Without a seed every answer is another one.
      seed: readCount(fields, 'seed', Math.floor(Math.random() * 2 ** 31), 0, 2 ** 32 - 1),
    },
  };
}

function readStops(value: unknown): readonly string[] {
  if (value === undefined || value === '') return [];
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > mostStops) throw new ModelportError('INVALID_VALUE', `stop has ${list.length} texts, more than ${mostStops}`, { at: 'stop' });
  return list.map((stop) => {
    if (typeof stop !== 'string' || stop === '' || stop.length > longestStop) throw new ModelportError('INVALID_VALUE', `stop is ${typeof stop === 'string' ? `of ${stop.length} characters` : describe(stop)}: write texts of 1 to ${longestStop} characters`, { at: 'stop' });
    return stop;
  });
}

/** Names of other servers' APIs. */
const alsoCalled: Readonly<Record<string, (typeof settingNames)[number]>> = {
  max_tokens: 'maxTokens',
  max_new_tokens: 'maxTokens',
  maxNewTokens: 'maxTokens',
  top_k: 'topK',
  top_p: 'topP',
  repetition_penalty: 'repetitionPenalty',
  stop_words: 'stop',
  random_seed: 'seed',
};

/** Parameters under the names of ours; others are for somebody else. */
export function settingFields(parameters: Parameters | undefined): Fields {
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parameters ?? {})) {
    const known = settingNames.find((setting) => setting === name) ?? (Object.hasOwn(alsoCalled, name) ? alsoCalled[name] : undefined);
    if (known !== undefined) fields[known] = typeof value === 'bigint' ? Number(value) : value;
  }
  return fields;
}
