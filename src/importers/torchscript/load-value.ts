/** From what an archive pickled to the values of a program: modules as objects, tensors as weights. */
import { PickledFloat, PickledGlobal, PickledObject, describePickleValue, isTuple, printable, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import { TorchTensor } from '../../formats/torch/torch-tensor.ts';
import { ModelportError } from '../../errors.ts';
import { ElementType } from '../../onnx/data-type.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import type { LoweringContext } from '../aten/lowering.ts';
import type { ProgramStates } from '../aten/program-states.ts';
import { AtenTensor, AtenTuple, type AtenStorage } from '../aten/value.ts';
import type { Heap } from './heap.ts';
import type { ScriptArchive } from './script-archive.ts';
import { EnumMember, NamedTuple, PackedLayer, ScriptDict, ScriptObject, asAten, keyIsPlain, type DictKey, type ScriptValue } from './script-value.ts';

/** Loads each thing once: what is shared stays shared, tensors by the memory that they are. */
export class ValueLoader {
  readonly #archive: ScriptArchive;
  readonly #context: LoweringContext;
  readonly #folder: 'data' | 'constants';
  readonly #heap: Heap;
  readonly #objects = new Map<object, ScriptValue>();
  readonly #tensors = new Map<string, AtenTensor>();
  readonly #originals = new Map<AtenStorage, Value>();
  /** Tensors of one storage, of which none may be written: they would see each other. */
  readonly #storages = new Map<string, AtenTensor[]>();
  /** Names of weights that were loaded, by the storages that they lie in. */
  readonly #names = new Map<string, Set<string>>();
  /** Weights that the program changes, which are inputs of the graph. */
  states: { readonly wanted: ReadonlySet<string>; readonly made: ProgramStates } | undefined;

  constructor(archive: ScriptArchive, context: LoweringContext, heap: Heap, folder: 'data' | 'constants') {
    this.#archive = archive;
    this.#context = context;
    this.#folder = folder;
    this.#heap = heap;
  }

  /** Names of weights whose memory was written since. */
  get written(): string[] {
    return [...this.#originals].filter(([storage, value]) => storage.value !== value).map(([storage]) => storage.origin?.name ?? '');
  }

  /** `name`: where it lies in the model. Attributes of objects are loaded when they are asked for. */
  load(value: PickleValue | undefined, name: string): ScriptValue {
    if (value === undefined || value === null) return null;
    if (typeof value === 'number') return BigInt(value);
    if (typeof value === 'bigint' || typeof value === 'boolean' || typeof value === 'string') return value;
    if (value instanceof PickledFloat) return value.value;
    const known = this.#objects.get(value);
    if (known !== undefined) return known;
    const made = this.#make(value, name);
    this.#objects.set(value, made);
    if (Array.isArray(made) || made instanceof ScriptDict) this.#heap.lasting.add(made);
    if (Array.isArray(made) && Array.isArray(value)) for (const [index, item] of (value as readonly PickleValue[]).entries()) made.push(asAten(this.load(item, `${name}.${index}`)));
    return made;
  }

  #make(value: object, name: string): ScriptValue {
    if (value instanceof TorchTensor) return this.#tensor(value, name);
    if (isTuple(value)) return new AtenTuple(value.map((item, index) => asAten(this.load(item, `${name}.${index}`))));
    if (Array.isArray(value)) return [];
    if (value instanceof Map) {
      const entries = [...(value as ReadonlyMap<PickleValue, PickleValue>)].map(([key, item]): [DictKey, ScriptValue] => {
        const loaded = this.load(key, name);
        if (!keyIsPlain(loaded)) throw this.#fail(`${printable(name)} is a dict with the key ${describePickleValue(key)}`);
        return [loaded, this.load(item, `${name}.${String(loaded)}`)];
      });
      return new ScriptDict(entries);
    }
    if (value instanceof PickledObject) return this.#object(value, name);
    if (value instanceof PickledGlobal && value.module === 'torch') throw this.#fail(`${printable(name)} is ${printable(value.path)}, which is not imported`);
    throw this.#fail(`${printable(name)} is ${describePickleValue(value)}, which is not imported`);
  }

  #object(value: PickledObject, name: string): ScriptValue {
    if (value.path === 'torch.device') return typeof value.args[0] === 'string' ? value.args[0] : 'cpu';
    if (value.path.startsWith('__torch__.torch.classes.')) {
      if (value.module === '__torch__.torch.classes.xnnpack' && isTuple(value.state)) return new PackedLayer(value.name, new AtenTuple(value.state.map((item, index) => asAten(this.load(item, `${name}.${packedParts[index] ?? index}`)))));
      throw this.#fail(`${printable(name)} is a ${printable(value.name)} of ${printable(value.module.replace('__torch__.torch.classes.', ''))}: a custom C++ class, which is not imported${value.module.includes('quantized') ? ' (the model is quantized)' : ''}`);
    }
    const type = this.#archive.class(value.path);
    if (type === undefined) throw this.#fail(`${printable(name)} is a ${printable(value.path)}, whose code is not in the archive${this.#archive.suggest(value.path)}`);
    if (type.definition.base === 'Enum') {
      const inner = this.load(value.args[0], name);
      for (const [member, expression] of type.definition.constants) {
        if ((expression.kind === 'int' || expression.kind === 'float' || expression.kind === 'string' || expression.kind === 'constant') && expression.value === inner) return new EnumMember(type, member, inner);
      }
      throw this.#fail(`${printable(name)} is no member of ${printable(value.path)}`);
    }
    if (type.definition.base === 'NamedTuple') {
      const items = Array.isArray(value.args[0]) ? (value.args[0] as readonly PickleValue[]) : value.args;
      return new NamedTuple(type, [...type.definition.attributes.keys()], items.map((item, index) => asAten(this.load(item, `${name}.${index}`))));
    }
    const prefix = name === '' ? '' : `${name}.`;
    const pending = new Map<string, () => ScriptValue>();
    const state = value.attributes.size > 0 ? value.attributes : value.state instanceof PickledObject ? value.state.attributes : value.attributes;
    for (const [key, item] of state) if (typeof key === 'string') pending.set(key, () => this.load(item, prefix + key));
    return new ScriptObject(type, new Map(), name, pending);
  }

  #tensor(tensor: TorchTensor, name: string): AtenTensor {
    const names = this.#names.get(tensor.storage.key) ?? new Set<string>();
    this.#names.set(tensor.storage.key, names.add(name));
    const state = this.states === undefined ? undefined : [...names].find((other) => this.states!.wanted.has(other));
    if (state !== undefined && names.size > 1) throw this.#fail(`the model changes ${printable(state)}, and keeps it from one call to the next, as it does ${printable([...names].find((other) => other !== state)!)}, which is the same memory. Give the state as an input and output of forward instead`);
    const place = `${tensor.storage.key} ${tensor.datatype} ${tensor.offset} ${tensor.shape.join(',')} ${tensor.strides.join(',')}`;
    const known = this.#tensors.get(place);
    if (known !== undefined) return known;
    const source = this.#archive.weight(tensor, this.#folder, this.#folder === 'constants' ? `constants.${name}` : name);
    if (state !== undefined) {
      const input = this.states!.made.add(source);
      this.#tensors.set(place, input);
      return input;
    }
    const weight = this.#context.weight(source);
    const made = this.#folder === 'constants' ? asNumber(weight) : weight;
    const others = this.#storages.get(tensor.storage.key) ?? [];
    for (const other of others) {
      other.storage.perhapsSame.add(made.storage);
      made.storage.perhapsSame.add(other.storage);
    }
    this.#storages.set(tensor.storage.key, [...others, made]);
    this.#tensors.set(place, made);
    this.#originals.set(made.storage, made.storage.value);
    return made;
  }

  #fail(problem: string): ModelportError {
    return new ModelportError('INVALID_MODEL', `${this.#archive.name}: ${problem}`, { at: this.#archive.name });
  }
}

const packedParts = ['weight', 'bias'];

/** A trace keeps Python's numbers as constant tensors without axes, and PyTorch runs them as numbers: they do not widen the type of what they meet. */
function asNumber(constant: AtenTensor): AtenTensor {
  const { storage, elementType, rank } = constant;
  return rank === 0 && (elementType === ElementType.DOUBLE || elementType === ElementType.INT64) ? new AtenTensor(storage, [], storage.value, true) : constant;
}
