/** Constructors of Python's own types, as pickles of every protocol write them. */
import { constructor, data, pickleClasses, reference, setState, type PickleCall, type PickleClasses, type TakesPickleState } from './pickle-class.ts';
import { memoryCost } from './pickle-limits.ts';
import { PickledFloat, PickledGlobal, PickledObject, describePickleValue, type PickleValue } from './pickle-value.ts';

/** A complex number. */
export class PickledComplex {
  readonly real: number;
  readonly imaginary: number;

  constructor(real: number, imaginary: number) {
    this.real = real;
    this.imaginary = imaginary;
  }
}

/** The values of a list, tuple, set or of no argument at all. */
function valuesOf(call: PickleCall): readonly PickleValue[] {
  const { args, reading } = call;
  if (args.length === 0) return [];
  const [source] = args;
  if (args.length > 1 || !(Array.isArray(source) || source instanceof Set)) return reading.fail(`${call.name} is called with ${describePickleValue(source)}`);
  const values = Array.isArray(source) ? (source as PickleValue[]) : [...(source as Set<PickleValue>)];
  reading.charge(memoryCost.memo * values.length);
  return values;
}

/** `bytes()`, `bytearray(b'…')` and `bytearray('…', 'latin-1')`; never `bytearray(10**12)`. */
function bytes(call: PickleCall): Uint8Array {
  const [source, encoding] = call.args;
  if (source === undefined) return new Uint8Array(0);
  if (source instanceof Uint8Array && encoding === undefined) return source;
  if (typeof source === 'string' && typeof encoding === 'string') return encode(call, source, encoding);
  if (Array.isArray(source)) {
    call.reading.charge(source.length);
    return Uint8Array.from(source as number[], (value) => (Number.isInteger(value) && value >= 0 && value < 256 ? value : call.reading.fail('bytes are made of something else than bytes')));
  }
  return call.reading.fail(`${call.name} is called with ${describePickleValue(source)}`);
}

function encode(call: PickleCall, text: string, encoding: string): Uint8Array {
  const name = encoding.toLowerCase().replaceAll(/[-_ ]/g, '');
  call.reading.charge(3 * text.length);
  if (name === 'utf8') return new TextEncoder().encode(text);
  if (name !== 'latin1' && name !== 'iso88591' && name !== 'ascii') call.reading.fail(`text is encoded as ${JSON.stringify(encoding.slice(0, 40))}; latin-1, ascii and utf-8 are read`);
  const limit = name === 'ascii' ? 0x7f : 0xff;
  for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) > limit) call.reading.fail(`text that is no ${encoding} is encoded as such`);
  const encoded = Buffer.from(text, 'latin1');
  return new Uint8Array(encoded.buffer, encoded.byteOffset, encoded.byteLength);
}

/** From nothing, from a dict, or from a list of pairs (Python 2). */
function dict(call: PickleCall): Map<PickleValue, PickleValue> {
  const { args, reading } = call;
  const [source] = args;
  reading.charge(memoryCost.dict);
  if (source === undefined) return new Map();
  if (source instanceof Map) {
    reading.charge(memoryCost.memo * source.size);
    return new Map(source as Map<PickleValue, PickleValue>);
  }
  const result = new Map<PickleValue, PickleValue>();
  for (const pair of valuesOf(call)) {
    if (!Array.isArray(pair) || pair.length !== 2) reading.fail(`${call.name} is called with something else than pairs`);
    const [key, value] = pair as [PickleValue, PickleValue];
    result.set(key, value);
  }
  return result;
}

/** Unlike a plain dict it may have attributes, as torch's `_metadata`; they are left aside. */
class OrderedDict extends Map<PickleValue, PickleValue> implements TakesPickleState {
  [setState](): PickleValue {
    return this;
  }
}

/** `copyreg._reconstructor(class, parent, state)`: how protocols 0 and 1 make objects. */
function reconstruct(call: PickleCall): PickleValue {
  const [type, parent, state] = call.args;
  if (!(type instanceof PickledGlobal) || !(parent instanceof PickledGlobal)) return call.reading.fail('copyreg._reconstructor is called without a class');
  if (parent.path === 'builtins.object') return call.reading.construct(type, Object.freeze([]));
  const made = call.reading.construct(type, Object.freeze([]));
  if (!(made instanceof PickledObject)) return call.reading.construct(type, Object.freeze([state ?? null]));
  if (parent.path === 'builtins.dict' && state instanceof Map) {
    call.reading.charge(memoryCost.memo * state.size);
    for (const [key, value] of state as Map<PickleValue, PickleValue>) made.entries.set(key, value);
    return made;
  }
  if (parent.path === 'builtins.list' && Array.isArray(state)) {
    call.reading.charge(memoryCost.value * state.length);
    for (const value of state as PickleValue[]) made.items.push(value);
    return made;
  }
  return call.reading.construct(type, Object.freeze([state ?? null]));
}

function complex(call: PickleCall): PickledComplex {
  const [real, imaginary = 0] = call.args.map((part) => (part instanceof PickledFloat ? part.value : part));
  if (typeof real !== 'number' || typeof imaginary !== 'number') return call.reading.fail('complex is called with something else than two numbers');
  return new PickledComplex(real, imaginary);
}

const list = constructor((call) => [...valuesOf(call)]);
const set = constructor((call) => new Set(valuesOf(call)));
const bytesClass = constructor(bytes);
const dictClass = constructor(dict);
const orderedDict = constructor((call) => new OrderedDict(dict(call)));

/**
 * Python's containers and what the pickle machinery itself names. `int`, `float` and other types may stand as values.
 * Ranges, slices, dates, decimals and `functools.partial` are data: a `PickledObject` with their arguments.
 */
export const standardClasses: PickleClasses = pickleClasses({
  'builtins.object': data,
  'builtins.list': list,
  'builtins.tuple': constructor((call) => Object.freeze([...valuesOf(call)])),
  'builtins.set': set,
  'builtins.frozenset': set,
  'builtins.dict': dictClass,
  'builtins.bytes': bytesClass,
  'builtins.bytearray': bytesClass,
  'builtins.complex': constructor(complex),
  'builtins.slice': data,
  'builtins.range': data,
  'builtins.int': reference,
  'builtins.float': reference,
  'builtins.bool': reference,
  'builtins.str': reference,
  'builtins.Ellipsis': reference,
  'builtins.NotImplemented': reference,
  'collections.OrderedDict': orderedDict,
  // The factory says what a missing key would give; nobody asks for one here.
  'collections.defaultdict': constructor((call) => dict({ ...call, args: call.args.slice(1) })),
  'collections.Counter': dictClass,
  'collections.deque': constructor((call) => [...valuesOf({ ...call, args: call.args.slice(0, 1) })]),
  'copyreg._reconstructor': constructor(reconstruct),
  '_codecs.encode': constructor((call) => {
    const [text, encoding] = call.args;
    return typeof text === 'string' && typeof encoding === 'string' ? encode(call, text, encoding) : call.reading.fail('_codecs.encode is called with something else than text');
  }),
  'functools.partial': data,
  'datetime.date': data,
  'datetime.datetime': data,
  'datetime.time': data,
  'datetime.timedelta': data,
  'datetime.timezone': data,
  'decimal.Decimal': data,
  'fractions.Fraction': data,
  'uuid.UUID': data,
  'pathlib.PosixPath': data,
  'pathlib.PurePosixPath': data,
  'pathlib._local.PosixPath': data,
  'types.SimpleNamespace': data,
});
