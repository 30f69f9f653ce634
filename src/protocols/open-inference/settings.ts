/**
 * The trace and logging extensions: settings that clients read and change, in Triton's form. They are kept and given back;
 * what the server really traces and logs is decided where it is started.
 */
import { ModelportError } from '../../errors.ts';
import { didYouMean } from '../../lib/nearest.ts';

/** As the wires write them: text, or a list of texts. */
export type TraceSettingValue = string | readonly string[];
export type TraceSettings = Readonly<Record<string, TraceSettingValue>>;
/** A change; null takes the model's own value back, so that the global one counts again. */
export type TraceChange = Readonly<Record<string, unknown>>;

const traceDefaults: TraceSettings = { trace_level: ['OFF'], trace_rate: '1000', trace_count: '-1', log_frequency: '0', trace_file: '', trace_mode: 'triton' };

const traceReaders: Readonly<Record<string, (value: unknown) => TraceSettingValue>> = {
  trace_level: readTraceLevel,
  trace_rate: (value) => readInteger('trace_rate', value, 0, 0xffffffff),
  trace_count: (value) => readInteger('trace_count', value, -1, 0x7fffffff),
  log_frequency: (value) => readInteger('log_frequency', value, 0, 0xffffffff),
  trace_file() {
    throw new ModelportError('UNSUPPORTED', 'trace file location can not be updated through network protocol', { at: 'trace_file' });
  },
  trace_mode() {
    throw new ModelportError('UNSUPPORTED', 'trace mode can not be updated through network protocol', { at: 'trace_mode' });
  },
};

export class TraceSettingsStore {
  #global: Record<string, TraceSettingValue> = {};
  readonly #models = new Map<string, Record<string, TraceSettingValue>>();

  get(modelName?: string): TraceSettings {
    return { ...traceDefaults, ...this.#global, ...(modelName === undefined ? {} : this.#models.get(modelName)) };
  }

  /** Changes nothing where one of the values is wrong. Throws `INVALID_REQUEST`, `UNSUPPORTED`. */
  update(change: TraceChange, modelName?: string): TraceSettings {
    const own = { ...(modelName === undefined ? this.#global : this.#models.get(modelName)) };
    for (const [name, value] of Object.entries(change)) {
      const read = Object.hasOwn(traceReaders, name) ? traceReaders[name] : undefined;
      if (read === undefined) throw unknownSetting('trace', name, Object.keys(traceReaders));
      if (value === null) delete own[name];
      else own[name] = read(value);
    }
    if (modelName === undefined) this.#global = own;
    else this.#models.set(modelName, own);
    return this.get(modelName);
  }
}

function readTraceLevel(value: unknown): readonly string[] {
  const levels = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(levels) || levels.length === 0) throw wrongValue('trace_level', value, 'a list of OFF, TIMESTAMPS, TENSORS');
  for (const level of levels) {
    if (level !== 'OFF' && level !== 'TIMESTAMPS' && level !== 'TENSORS') throw wrongValue('trace_level', level, 'OFF, TIMESTAMPS or TENSORS');
  }
  if (levels.includes('OFF') && levels.length > 1) throw new ModelportError('INVALID_REQUEST', "Expect only one trace level 'OFF' is specified", { at: 'trace_level' });
  return ['OFF', 'TIMESTAMPS', 'TENSORS'].filter((level) => levels.includes(level));
}

function readInteger(name: string, value: unknown, least: number, most: number): string {
  const given = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
  const text = typeof given === 'number' ? String(given) : given;
  if (typeof text !== 'string' || !/^-?\d+$/.test(text)) throw wrongValue(name, value, 'an integer');
  const number = Number(text);
  if (number < least || number > most) {
    throw new ModelportError('INVALID_REQUEST', `Unable to parse '${name}', value is out of range [ ${least}, ${most} ], got: ${text.slice(0, 40)}`, { at: name });
  }
  return String(number);
}

export interface LogSettings {
  readonly log_file: string;
  readonly log_info: boolean;
  readonly log_warning: boolean;
  readonly log_error: boolean;
  readonly log_verbose_level: number;
  readonly log_format: string;
}

export class LogSettingsStore {
  #settings: LogSettings = { log_file: '', log_info: true, log_warning: true, log_error: true, log_verbose_level: 0, log_format: 'default' };

  get(): LogSettings {
    return this.#settings;
  }

  /** Changes nothing where one of the values is wrong. null leaves a setting as it is. */
  update(change: Readonly<Record<string, unknown>>): LogSettings {
    const next: Record<string, unknown> = { ...this.#settings };
    for (const [name, value] of Object.entries(change)) {
      if (!Object.hasOwn(this.#settings, name)) throw unknownSetting('log', name, Object.keys(this.#settings));
      if (value !== null) next[name] = readLogSetting(name as keyof LogSettings, value);
    }
    this.#settings = next as unknown as LogSettings;
    return this.#settings;
  }
}

function readLogSetting(name: keyof LogSettings, value: unknown): unknown {
  switch (name) {
    case 'log_file':
      throw new ModelportError('UNSUPPORTED', 'log file location can not be updated through network protocol', { at: name });
    case 'log_verbose_level': {
      const level = typeof value === 'bigint' ? Number(value) : value;
      if (typeof level !== 'number' || !Number.isInteger(level) || level < 0 || level > 0x7fffffff) throw wrongValue(name, value, 'an integer of at least 0');
      return level;
    }
    case 'log_format':
      if (value !== 'default' && value !== 'ISO8601') throw new ModelportError('INVALID_REQUEST', `invalid argument for log_format, got: ${String(value).slice(0, 40)}. Expected default or ISO8601`, { at: name });
      return value;
    default:
      if (typeof value !== 'boolean') throw wrongValue(name, value, 'true or false');
      return value;
  }
}

function wrongValue(name: string, value: unknown, expected: string): ModelportError {
  return new ModelportError('INVALID_REQUEST', `Unable to parse '${name}', got: ${JSON.stringify(value)?.slice(0, 80) ?? String(value)}. Expected ${expected}`, { at: name });
}

function unknownSetting(kind: string, name: string, known: readonly string[]): ModelportError {
  return new ModelportError('INVALID_REQUEST', `there is no ${kind} setting '${name.slice(0, 80)}'${didYouMean(name, known)}. Known are ${known.join(', ')}`, { at: name });
}
