/**
 * What a program keeps from one call to the next, as inputs and outputs of the graph: the buffer `h` becomes the input `h`, and the output `h_next` is
 * what it holds afterwards. The model's metadata names the pairs, so that a sequence can carry them.
 *
 * A sequence begins with zeros. Where the program begins with anything else, one pair more, `state_is_set` → `state_is_set_next`, tells the first call
 * from the others: it is false at first, and then the program's own values are taken instead of what comes in.
 *
 * Which weights change is known only when a program was followed: a front end follows it, collects their names, and begins anew with those as states.
 */
import { constantTensor } from '../../onnx/constant-tensor.ts';
import { ElementType } from '../../onnx/data-type.ts';
import type { Value } from '../../onnx/graph-builder.ts';
import { statesKey } from '../../onnx/state-tensors.ts';
import type { LoweringContext } from './lowering.ts';
import type { AtenTensor } from './value.ts';
import type { WeightSource } from './weight.ts';

/** The program changes these, by full name; to be caught by who follows programs. */
export class StatesNeeded extends Error {
  readonly names: readonly string[];

  constructor(names: readonly string[]) {
    super(`the program changes ${names.join(', ')}`);
    this.names = names;
  }
}

/** More a program of ours never had; a program that seems to need more is not followed again and again. */
export const mostStates = 64;

interface State {
  readonly input: Value;
  readonly tensor: AtenTensor;
}

export class ProgramStates {
  readonly #context: LoweringContext;
  /** Names of inputs and outputs that are taken. */
  readonly #taken: Set<string>;
  readonly #states = new Map<string, State>();
  #isSet: { readonly input: Value; readonly flag: Value } | undefined;

  /** `taken`: names that the program's own inputs and outputs have. */
  constructor(context: LoweringContext, taken: Iterable<string>) {
    this.#context = context;
    this.#taken = new Set(taken);
  }

  has(name: string): boolean {
    return this.#states.has(name);
  }

  /** The tensor that stands for a weight which is a state. To be called outside of branches and loops. */
  add(source: WeightSource): AtenTensor {
    const { graph } = this.#context;
    const input = graph.input(this.#unique(source.name), source.elementType, source.shape);
    let value = input;
    if (!isZero(source)) {
      this.#isSet ??= this.#flag();
      value = graph.op.where(this.#isSet.flag, input, graph.constant(source.proto(), `${source.name}.initial`));
    }
    const tensor = this.#context.tensor(value);
    this.#states.set(source.name, { input, tensor });
    return tensor;
  }

  /** A name that an input or output of the program has: no state takes it. Gives it back. */
  reserve(name: string): string {
    this.#taken.add(name);
    return name;
  }

  /** The tensor of a state as it was made. */
  tensor(name: string): AtenTensor | undefined {
    return this.#states.get(name)?.tensor;
  }

  /**
   * Makes outputs of what the states hold at the end (`last`, by name; else what is in the tensor that was made), to be called after those of the
   * program. Gives the metadata for the model. Throws where a state has another type or shape at the end than at the beginning.
   */
  finish(last: ReadonlyMap<string, AtenTensor> = new Map()): Record<string, string> {
    if (this.#states.size === 0) return {};
    const { graph } = this.#context;
    const pairs: { readonly input: string; readonly output: string }[] = [];
    const give = (input: Value, value: Value): void => {
      const output = this.#unique(`${input.name}_next`);
      graph.output(value, output);
      pairs.push({ input: input.name, output });
    };
    for (const [name, { input, tensor }] of this.#states) {
      const value = this.#context.read(last.get(name) ?? tensor);
      const fits = value.elementType === input.elementType && value.shape?.length === input.shape!.length && value.shape.every((size, axis) => size === input.shape![axis]);
      if (!fits) throw this.#context.refuse(`it keeps ${name} from one call to the next, and changes its type or shape, or may change it: [${input.shape!.join(', ')}] at first, [${value.shape?.join(', ') ?? '…'}] after the call. Give the state as an input and output of forward instead`);
      // A state that the program only replaces is a copy of what came in, and stays it.
      give(input, value);
    }
    if (this.#isSet !== undefined) give(this.#isSet.input, graph.constant(constantTensor(ElementType.BOOL, [true], [1])));
    this.#context.note(`The program keeps ${[...this.#states.keys()].join(', ')} from one call to the next: ${pairs.map(({ input, output }) => `${input} → ${output}`).join(', ')}. With sequences: { strategy: oldest } in the config, a sequence carries them; it begins with zeros${this.#isSet === undefined ? '' : ', which stand for what the program begins with'}.`);
    return { [statesKey]: JSON.stringify(pairs) };
  }

  #flag(): { readonly input: Value; readonly flag: Value } {
    const { graph } = this.#context;
    const input = graph.input(this.#unique('state_is_set'), ElementType.BOOL, [1]);
    return { input, flag: graph.op.reshape(input, []) };
  }

  #unique(name: string): string {
    let candidate = name;
    for (let number = 2; this.#taken.has(candidate); number++) candidate = `${name}_${number}`;
    this.#taken.add(candidate);
    return candidate;
  }
}

function isZero(source: WeightSource): boolean {
  const { data } = source.read();
  for (const element of data) if (typeof element === 'object' || typeof element === 'string' || Number(element) !== 0 || Object.is(element, -0)) return false;
  return true;
}
