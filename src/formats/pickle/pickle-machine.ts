/** The stack machine of pickles. What it would call in Python is replaced by the classes that the caller lists. */
import type { PickleBytes } from './pickle-bytes.ts';
import { setState, type PickleClass, type PickleClasses, type PickleReading, type TakesPickleState } from './pickle-class.ts';
import { memoryCost, type PickleLimits } from './pickle-limits.ts';
import { opcodes, python2Names } from './pickle-opcodes.ts';
import { PickleStack } from './pickle-stack.ts';
import { PickledFloat, PickledGlobal, PickledObject, describePickleValue, isTuple, printable, type PickleValue } from './pickle-value.ts';

/** How one pickle is read. */
export interface ReadPickleOptions {
  /** Names that the pickle may use. */
  readonly classes: PickleClasses;
  /** For error messages: the file. */
  readonly name?: string;
  /** Where the pickle begins. Default 0. */
  readonly offset?: number;
  /** What a persistent id stands for; without it a pickle that has some is refused. Read-only. */
  readonly persistentLoad?: (id: PickleValue, reading: PickleReading) => PickleValue;
  /** Out-of-band buffers (protocol 5), in their order. */
  readonly buffers?: Iterable<Uint8Array>;
  /** Gives floats as `PickledFloat`, to tell them from ints. */
  readonly wrapFloats?: boolean;
  /** A call may have one argument that is no tuple: TorchScript writes the members of its enums so. */
  readonly bareArguments?: boolean;
  readonly limits?: Partial<PickleLimits>;
}

/** What reading took so far; pickles in pickles share it. */
interface Spent {
  objects: number;
  memoryBytes: number;
  nested: number;
}

const maxNestedPickles = 20;
const noKeywords: ReadonlyMap<PickleValue, PickleValue> = new Map();

/** Reads one pickle from the input's position. */
export class PickleMachine implements PickleReading {
  readonly #input: PickleBytes;
  readonly #options: ReadPickleOptions;
  readonly #limits: PickleLimits;
  readonly #spent: Spent;
  readonly #buffers: Iterator<Uint8Array> | undefined;
  readonly #stack = new PickleStack(this);
  readonly #globals = new Map<string, PickledGlobal>();
  readonly #definitions = new WeakMap<PickledGlobal, PickleClass>();
  #protocol = 0;

  constructor(input: PickleBytes, options: ReadPickleOptions, limits: PickleLimits, spent: Spent, buffers: Iterator<Uint8Array> | undefined) {
    this.#input = input;
    this.#options = options;
    this.#limits = limits;
    this.#spent = spent;
    this.#buffers = buffers;
  }

  get position(): number {
    return this.#input.position;
  }

  take(length: number): Uint8Array {
    if (!Number.isSafeInteger(length) || length < 0) this.fail('a length is not a length');
    return this.#input.take(length);
  }

  fail(problem: string): never {
    this.#input.fail(problem);
  }

  charge(bytes: number): void {
    this.#spent.memoryBytes += bytes;
    if (!(this.#spent.memoryBytes <= this.#limits.maxMemoryBytes)) this.fail(`the pickle wants more than ${this.#limits.maxMemoryBytes} bytes of memory, which is refused`);
  }

  readNested(): PickleValue {
    if (++this.#spent.nested > maxNestedPickles) this.fail(`more than ${maxNestedPickles} pickles lie in each other, which is refused`);
    const value = new PickleMachine(this.#input, this.#options, this.#limits, this.#spent, this.#buffers).run();
    this.#spent.nested--;
    return value;
  }

  construct(type: PickleValue, args: readonly PickleValue[], keywords: ReadonlyMap<PickleValue, PickleValue> = noKeywords): PickleValue {
    const definition = type instanceof PickledGlobal ? this.#definitions.get(type) : undefined;
    if (!(type instanceof PickledGlobal) || definition === undefined) return this.fail(`${describePickleValue(type)} is called; nothing in a pickle is run`);
    if (definition.kind === 'reference') this.fail(`${printable(type.path)} is called; it may stand there as a value only`);
    this.charge(memoryCost.instance);
    if (definition.kind === 'data') return new PickledObject(type.module, type.name, args, keywords);
    return definition.construct({ module: type.module, name: type.name, args, keywords, reading: this });
  }

  run(): PickleValue {
    const input = this.#input;
    for (;;) {
      input.opcodeAt = input.position;
      if (input.remaining === 0) this.fail('the pickle ends without a STOP');
      const opcode = input.uint8();
      if (opcode === opcodes.STOP) {
        const value = this.#stack.pop();
        return value;
      }
      if (++this.#spent.objects > this.#limits.maxObjects) this.fail(`the pickle has more than ${this.#limits.maxObjects} opcodes, which is refused`);
      this.#execute(opcode);
    }
  }

  #popTuple(): readonly PickleValue[] {
    const value = this.#stack.pop();
    return isTuple(value) ? value : this.fail(`arguments are ${describePickleValue(value)}, not a tuple`);
  }

  #tuple(values: PickleValue[]): readonly PickleValue[] {
    this.charge(memoryCost.list);
    return Object.freeze(values);
  }

  #float(value: number): PickleValue {
    return this.#options.wrapFloats === true ? new PickledFloat(value) : value;
  }

  #execute(opcode: number): void {
    const input = this.#input;
    switch (opcode) {
      case opcodes.PROTO:
        this.#protocol = input.uint8();
        if (this.#protocol > 5) this.fail(`the pickle has protocol ${this.#protocol}; protocols 0 to 5 are read`);
        return;
      case opcodes.FRAME: {
        // Frames are a hint for reading ahead; all bytes are here already.
        const length = input.uint64();
        if (length > input.remaining) this.fail(`a frame of ${length} bytes is announced, but the file ends after ${input.remaining}`);
        return;
      }
      case opcodes.MARK:
        return this.#stack.pushMark();
      case opcodes.POP:
        return this.#stack.popOne();
      case opcodes.POP_MARK:
        this.#stack.popToMark();
        return;
      case opcodes.DUP:
        return this.#stack.push(this.#stack.top());

      case opcodes.NONE:
        return this.#stack.push(null);
      case opcodes.NEWTRUE:
        return this.#stack.push(true);
      case opcodes.NEWFALSE:
        return this.#stack.push(false);
      case opcodes.INT: {
        const start = input.position;
        const value = input.integerLine();
        // Protocol 1 and 0 write True as "01": two digits tell it from 1.
        const digits = input.bytes.toString('latin1', start, start + 3).trimEnd();
        return this.#stack.push(digits === '00' ? false : digits === '01' ? true : value);
      }
      case opcodes.LONG:
        return this.#stack.push(input.longLine());
      case opcodes.BININT:
        return this.#stack.push(input.int32());
      case opcodes.BININT1:
        return this.#stack.push(input.uint8());
      case opcodes.BININT2:
        return this.#stack.push(input.uint16());
      case opcodes.LONG1:
        return this.#stack.push(this.#long(input.uint8()));
      case opcodes.LONG4:
        return this.#stack.push(this.#long(input.int32()));
      case opcodes.FLOAT:
        return this.#stack.push(this.#float(input.floatLine()));
      case opcodes.BINFLOAT:
        return this.#stack.push(this.#float(input.doubleBigEndian()));

      case opcodes.STRING:
        return this.#stack.push(this.#text(input.quotedLine()));
      case opcodes.BINSTRING:
        return this.#stack.push(this.#text(input.take(this.#length(input.int32())).toString('latin1')));
      case opcodes.SHORT_BINSTRING:
        return this.#stack.push(this.#text(input.take(input.uint8()).toString('latin1')));
      case opcodes.UNICODE:
        return this.#stack.push(this.#text(input.rawUnicodeEscapeLine()));
      case opcodes.SHORT_BINUNICODE:
        return this.#stack.push(this.#text(input.utf8(input.uint8())));
      case opcodes.BINUNICODE:
        return this.#stack.push(this.#text(input.utf8(input.uint32())));
      case opcodes.BINUNICODE8:
        return this.#stack.push(this.#text(input.utf8(this.#textLength(input.uint64()))));
      case opcodes.SHORT_BINBYTES:
        return this.#stack.push(this.#bytes(input.uint8()));
      case opcodes.BINBYTES:
        return this.#stack.push(this.#bytes(input.uint32()));
      case opcodes.BINBYTES8:
      case opcodes.BYTEARRAY8:
        return this.#stack.push(this.#bytes(input.uint64()));
      case opcodes.NEXT_BUFFER: {
        const next = this.#buffers?.next();
        if (next === undefined) return this.fail('the pickle keeps data in buffers outside of the file, which were not given');
        if (next.done === true) return this.fail('the pickle has more buffers outside of the file than were given');
        return this.#stack.push(next.value);
      }
      case opcodes.READONLY_BUFFER:
        this.#stack.top();
        return;

      default:
        this.#executeContainer(opcode);
    }
  }

  #executeContainer(opcode: number): void {
    switch (opcode) {
      case opcodes.EMPTY_LIST:
        this.charge(memoryCost.list);
        return this.#stack.push([]);
      case opcodes.EMPTY_TUPLE:
        return this.#stack.push(this.#tuple([]));
      case opcodes.EMPTY_DICT:
        this.charge(memoryCost.dict);
        return this.#stack.push(new Map());
      case opcodes.EMPTY_SET:
        this.charge(memoryCost.set);
        return this.#stack.push(new Set());
      case opcodes.LIST:
        return this.#stack.push(this.#stack.popToMark());
      case opcodes.TUPLE:
        return this.#stack.push(this.#tuple(this.#stack.popToMark()));
      case opcodes.TUPLE1:
        return this.#stack.push(this.#tuple([this.#stack.pop()]));
      case opcodes.TUPLE2: {
        const second = this.#stack.pop();
        return this.#stack.push(this.#tuple([this.#stack.pop(), second]));
      }
      case opcodes.TUPLE3: {
        const third = this.#stack.pop();
        const second = this.#stack.pop();
        return this.#stack.push(this.#tuple([this.#stack.pop(), second, third]));
      }
      case opcodes.DICT: {
        const entries = this.#stack.popToMark();
        this.charge(memoryCost.dict);
        const dict = new Map<PickleValue, PickleValue>();
        this.#setItems(dict, entries);
        return this.#stack.push(dict);
      }
      case opcodes.FROZENSET:
        this.charge(memoryCost.set);
        return this.#stack.push(new Set(this.#stack.popToMark()));
      case opcodes.APPEND: {
        const value = this.#stack.pop();
        return this.#appendItems(this.#stack.top(), [value]);
      }
      case opcodes.APPENDS: {
        const values = this.#stack.popToMark();
        return this.#appendItems(this.#stack.top(), values);
      }
      case opcodes.SETITEM: {
        const value = this.#stack.pop();
        const key = this.#stack.pop();
        return this.#setItems(this.#stack.top(), [key, value]);
      }
      case opcodes.SETITEMS: {
        const values = this.#stack.popToMark();
        return this.#setItems(this.#stack.top(), values);
      }
      case opcodes.ADDITEMS: {
        const values = this.#stack.popToMark();
        const set = this.#stack.top();
        if (!(set instanceof Set)) return this.fail(`values are added to ${describePickleValue(set)}, which is no set`);
        this.charge(memoryCost.memo * values.length);
        for (const value of values) set.add(value);
        return;
      }

      case opcodes.GET:
        return this.#stack.recall(this.#input.integerLine());
      case opcodes.BINGET:
        return this.#stack.recall(this.#input.uint8());
      case opcodes.LONG_BINGET:
        return this.#stack.recall(this.#input.uint32());
      case opcodes.PUT: {
        const index = this.#input.integerLine();
        if (typeof index !== 'number' || index < 0) return this.fail('a place in the memo is no index');
        return this.#stack.memoize(index);
      }
      case opcodes.BINPUT:
        return this.#stack.memoize(this.#input.uint8());
      case opcodes.LONG_BINPUT:
        return this.#stack.memoize(this.#input.uint32());
      case opcodes.MEMOIZE:
        return this.#stack.memoize(this.#stack.nextPlace);
      default:
        this.#executeObject(opcode);
    }
  }

  #executeObject(opcode: number): void {
    switch (opcode) {
      case opcodes.GLOBAL: {
        const module = this.#input.line();
        return this.#stack.push(this.#global(decodeName(module), decodeName(this.#input.line())));
      }
      case opcodes.STACK_GLOBAL: {
        const name = this.#stack.pop();
        const module = this.#stack.pop();
        if (typeof name !== 'string' || typeof module !== 'string') return this.fail('a class is not named by text');
        return this.#stack.push(this.#global(module, name));
      }
      case opcodes.REDUCE: {
        const args = this.#options.bareArguments === true && !isTuple(this.#stack.top()) ? this.#tuple([this.#stack.pop()]) : this.#popTuple();
        return this.#stack.push(this.construct(this.#stack.pop(), args));
      }
      case opcodes.NEWOBJ: {
        const args = this.#popTuple();
        return this.#stack.push(this.construct(this.#stack.pop(), args));
      }
      case opcodes.NEWOBJ_EX: {
        const keywords = this.#stack.pop();
        const args = this.#popTuple();
        if (!(keywords instanceof Map)) return this.fail(`keyword arguments are ${describePickleValue(keywords)}, not a dict`);
        return this.#stack.push(this.construct(this.#stack.pop(), args, keywords as Map<PickleValue, PickleValue>));
      }
      case opcodes.INST: {
        const module = this.#input.line();
        const type = this.#global(decodeName(module), decodeName(this.#input.line()));
        return this.#stack.push(this.construct(type, this.#tuple(this.#stack.popToMark())));
      }
      case opcodes.OBJ: {
        const values = this.#stack.popToMark();
        const type = values.shift();
        if (type === undefined) return this.fail('an object has no class');
        return this.#stack.push(this.construct(type, this.#tuple(values)));
      }
      case opcodes.BUILD: {
        const state = this.#stack.pop();
        const target = this.#stack.pop();
        return this.#stack.push(this.#build(target, state));
      }
      case opcodes.PERSID:
        return this.#stack.push(this.#persistent(this.#input.line()));
      case opcodes.BINPERSID:
        return this.#stack.push(this.#persistent(this.#stack.pop()));
      case opcodes.EXT1:
        return this.#refuseExtension(this.#input.uint8());
      case opcodes.EXT2:
        return this.#refuseExtension(this.#input.uint16());
      case opcodes.EXT4:
        return this.#refuseExtension(this.#input.int32());
      default:
        this.fail(`there is no opcode ${opcode}: this is no pickle, or it is damaged`);
    }
  }

  #refuseExtension(code: number): never {
    return this.fail(`a class is named by number ${code} of Python's extension registry (copyreg.add_extension), which the file does not carry`);
  }

  #length(length: number): number {
    return length >= 0 ? length : this.fail('a length is negative');
  }

  /** V8's longest string is 2^29 - 24 characters. */
  #textLength(length: number): number {
    return length < 2 ** 29 - 24 ? length : this.fail(`a str of ${length} bytes is longer than can be read`);
  }

  #text(text: string): string {
    this.charge(16 + text.length);
    return text;
  }

  #bytes(length: number): Uint8Array {
    this.charge(96);
    const view = this.#input.take(length);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }

  #long(length: number): number | bigint {
    this.charge(length > 0 ? length : 0);
    return this.#input.long(length);
  }

  #global(module: string, name: string): PickledGlobal {
    const [newModule, newName] = this.#protocol < 3 ? python2Names(module, name) : [module, name];
    const key = `${newModule}\n${newName}`;
    const known = this.#globals.get(key);
    if (known !== undefined) return known;
    const definition = this.#options.classes(newModule, newName);
    if (definition === undefined) return this.fail(`${printable(newModule)}.${printable(newName)} is named, which is not among the classes that are known here; it was not run`);
    this.charge(memoryCost.instance);
    const global = new PickledGlobal(newModule, newName);
    this.#globals.set(key, global);
    this.#definitions.set(global, definition);
    return global;
  }

  #persistent(id: PickleValue): PickleValue {
    const load = this.#options.persistentLoad;
    if (load === undefined) return this.fail('the pickle refers to data outside of it by a persistent id, which this kind of file does not have');
    return load(id, this);
  }

  #appendItems(target: PickleValue, values: readonly PickleValue[]): void {
    const items = target instanceof PickledObject ? target.items : target;
    if (!Array.isArray(items) || Object.isFrozen(items)) return this.fail(`values are appended to ${describePickleValue(target)}, which is no list`);
    this.charge(memoryCost.value * values.length);
    for (const value of values) items.push(value);
  }

  #setItems(target: PickleValue, values: readonly PickleValue[]): void {
    const entries = target instanceof PickledObject ? target.entries : target;
    if (!(entries instanceof Map)) return this.fail(`entries are set on ${describePickleValue(target)}, which is no dict`);
    if (values.length % 2 !== 0) return this.fail('a key has no value');
    this.charge(memoryCost.memo * values.length);
    for (let index = 0; index < values.length; index += 2) entries.set(values[index]!, values[index + 1]!);
  }

  #build(target: PickleValue, state: PickleValue): PickleValue {
    if (target instanceof PickledObject) {
      // As in Python, a second state adds to the first.
      if (target.state instanceof Map && state instanceof Map) for (const [key, value] of state) target.state.set(key, value);
      else target.state = state;
      return target;
    }
    if (typeof target === 'object' && target !== null && setState in target) return (target as TakesPickleState)[setState](state, this);
    return this.fail(`a state is given to ${describePickleValue(target)}, which has none`);
  }
}

/** Names in GLOBAL and INST are UTF-8. */
function decodeName(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}

