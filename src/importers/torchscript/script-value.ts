/** Values of a TorchScript program that no lowering takes: objects, functions, dicts, what is not there. */
import type { Shape } from '../../onnx/dimension.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import { AtenTuple, type AtenValue } from '../aten/value.ts';
import type { ClassDefinition, FunctionDefinition } from './syntax.ts';

/** What a variable holds. Lists and tuples are those of the lowerings, and may hold script values too. */
export type ScriptValue = AtenValue | ScriptObject | ScriptDict | ScriptFunction | ScriptClass | EnumMember | TensorSequence | PackedLayer | Absent | Unknown;

/** A class of the archive. */
export class ScriptClass {
  /** `__torch__.model.Net` */
  readonly path: string;
  readonly definition: ClassDefinition;

  constructor(path: string, definition: ClassDefinition) {
    this.path = path;
    this.definition = definition;
  }
}

/** A module, or an instance of a class of the archive. */
export class ScriptObject {
  readonly type: ScriptClass;
  /** What was loaded or set. */
  readonly attributes: Map<string, ScriptValue>;
  /** Where it lies in the model (`layer1.0.conv1`); undefined of what the program made itself. */
  readonly name: string | undefined;
  readonly #pending: ReadonlyMap<string, () => ScriptValue>;

  constructor(type: ScriptClass, attributes: Map<string, ScriptValue>, name?: string, pending: ReadonlyMap<string, () => ScriptValue> = new Map()) {
    this.type = type;
    this.attributes = attributes;
    this.name = name;
    this.#pending = pending;
  }

  get(attribute: string): ScriptValue | undefined {
    const known = this.attributes.get(attribute);
    if (known !== undefined) return known;
    const loaded = this.#pending.get(attribute)?.();
    if (loaded !== undefined) this.attributes.set(attribute, loaded);
    return loaded;
  }

  get attributeNames(): string[] {
    return [...new Set([...this.#pending.keys(), ...this.attributes.keys()])];
  }
}

/** A function of the archive, or a method with its object. */
export class ScriptFunction {
  readonly definition: FunctionDefinition;
  readonly self: ScriptObject | undefined;

  constructor(definition: FunctionDefinition, self?: ScriptObject) {
    this.definition = definition;
    this.self = self;
  }
}

export class EnumMember {
  readonly type: ScriptClass;
  readonly name: string;
  readonly value: ScriptValue;

  constructor(type: ScriptClass, name: string, value: ScriptValue) {
    this.type = type;
    this.name = name;
    this.value = value;
  }
}

/** Weights and settings of a layer that was packed for mobile processors. */
export class PackedLayer {
  /** `Conv2dOpContext` … */
  readonly type: string;
  readonly state: AtenTuple;

  constructor(type: string, state: AtenTuple) {
    this.type = type;
    this.state = state;
  }
}

export type DictKey = string | bigint | number | boolean;

export function keyIsPlain(value: ScriptValue): value is DictKey {
  return typeof value === 'string' || typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean';
}

/** Keys are known always; the order is that of insertion. */
export class ScriptDict {
  readonly entries: Map<DictKey, ScriptValue>;

  constructor(entries: Iterable<readonly [DictKey, ScriptValue]> = []) {
    this.entries = new Map(entries);
  }
}

export class NamedTuple extends AtenTuple {
  readonly type: ScriptClass;
  readonly fields: readonly string[];

  constructor(type: ScriptClass, fields: readonly string[], items: readonly AtenValue[]) {
    super(items);
    this.type = type;
    this.fields = fields;
  }
}

/** A list of tensors whose length only the running graph knows: a sequence of ONNX. It is changed in place. */
export class TensorSequence {
  value: Value;
  /** Of its tensors. */
  readonly elementType: number;
  /** How many axes its tensors have. */
  readonly rank: number;

  constructor(value: Value, elementType: number, rank: number) {
    this.value = value;
    this.elementType = elementType;
    this.rank = rank;
  }
}

/** A variable that must not be read: not set on this path, or set to things that cannot be one value. */
export class Absent {
  /** What is to be said to who reads it. */
  readonly reason: string;
  /** `uninitialized(T)`: whatever another path gives may stand for it. */
  readonly isAnything: boolean;

  constructor(reason: string, isAnything = false) {
    this.reason = reason;
    this.isAnything = isAnything;
  }
}

/** While inputs are guessed: something that an input became, of which nothing is known but how its shape came about. */
export class Unknown {
  readonly input: string;
  /** How to go back to the input's shape, the last step last; undefined where that cannot be told. */
  readonly undo: readonly ((shape: Shape) => Shape | undefined)[] | undefined;

  constructor(input: string, undo: Unknown['undo']) {
    this.input = input;
    this.undo = undo;
  }
}

/** Lists hold what their type says; that is not always what lowerings take. */
export function asAten(value: ScriptValue): AtenValue {
  return value as AtenValue;
}
