/** One stream of samples through a model that carries a state: by the scheduler's sequences where it has them, else here. */
import { randomUUID } from 'node:crypto';
import { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { Model, StateSpec, TensorSpec } from '../../model.ts';
import { allocate, elementCount, type Tensor } from '../../tensor.ts';
import { numbers } from '../classification/scores.ts';

export interface ListenerPlan {
  readonly input: TensorSpec;
  readonly rateInput: TensorSpec | undefined;
  readonly output: TensorSpec;
  /** Empty where sequences carry the state. */
  readonly states: readonly (StateSpec & { readonly spec: TensorSpec })[];
  readonly sampleRate: number;
  readonly chunkSize: number;
  readonly contextSize: number;
}

/** Use by one caller at a time. */
export class Listener {
  readonly #model: Model;
  readonly #plan: ListenerPlan;
  readonly #sequenceId = `voice-${randomUUID()}`;
  readonly #states = new Map<string, Tensor>();
  #context: Float32Array;
  /** Samples that do not fill a chunk yet. */
  #rest = new Float32Array(0);
  #chunks = 0;
  #open = false;

  constructor(model: Model, plan: ListenerPlan) {
    this.#model = model;
    this.#plan = plan;
    this.#context = new Float32Array(plan.contextSize);
    for (const { input, spec } of plan.states) {
      const shape = spec.shape.map((size) => (typeof size === 'number' && size > 0 ? size : 1));
      this.#states.set(input, { datatype: spec.datatype, shape, data: allocate(spec.datatype, elementCount(shape)) });
    }
  }

  /** Chunks that were heard. */
  get chunks(): number {
    return this.#chunks;
  }

  /** The probability of each whole chunk; what is left waits for the next samples. `end`: there are none. */
  async hear(samples: Float32Array, end: boolean, call: Call): Promise<number[]> {
    const { chunkSize } = this.#plan;
    const all = new Float32Array(this.#rest.length + samples.length);
    all.set(this.#rest);
    all.set(samples, this.#rest.length);
    const count = Math.floor(all.length / chunkSize);
    const probabilities: number[] = [];
    try {
      for (let index = 0; index < count; index++) {
        call.throwIfCancelled();
        probabilities.push(await this.#run(all.subarray(index * chunkSize, (index + 1) * chunkSize), end && index === count - 1, call));
      }
    } catch (error) {
      this.close();
      throw error;
    }
    this.#rest = all.slice(count * chunkSize);
    if (end) this.close();
    return probabilities;
  }

  /** Frees the place that the scheduler keeps for this stream. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    const chunk = new Float32Array(this.#plan.contextSize + this.#plan.chunkSize);
    this.#model.infer!({ inputs: this.#inputs(chunk), outputs: [this.#plan.output.name] }, new Call({ sequence: { id: this.#sequenceId, start: false, end: true } })).catch(() => {
      // The scheduler gives the place back by itself when nothing comes for a while.
    });
  }

  async #run(samples: Float32Array, last: boolean, call: Call): Promise<number> {
    const { output, states, contextSize } = this.#plan;
    const chunk = new Float32Array(contextSize + samples.length);
    chunk.set(this.#context);
    chunk.set(samples, contextSize);
    const sequence = { id: this.#sequenceId, start: this.#chunks === 0, end: last };
    const request = { inputs: this.#inputs(chunk), outputs: [output.name, ...states.map((state) => state.output)] };
    const carried = states.length > 0;
    if (!carried) this.#open = true;
    const { outputs } = await this.#model.infer!(request, carried ? call : call.refine({ sequence }));
    if (!carried && last) this.#open = false;
    for (const state of states) this.#states.set(state.input, outputs.get(state.output)!);
    this.#context = chunk.slice(chunk.length - contextSize);
    this.#chunks++;
    const answer = outputs.get(output.name)!;
    const probability = numbers(answer, answer.data.length - 1, answer.data.length)[0];
    if (probability === undefined || !Number.isFinite(probability)) throw new ModelportError('RUN_FAILED', `output '${output.name}' is ${probability}, not a probability`);
    return probability;
  }

  #inputs(chunk: Float32Array<ArrayBuffer>): Map<string, Tensor> {
    const { input, rateInput, sampleRate } = this.#plan;
    const shape = input.shape.length === 1 ? [chunk.length] : [1, chunk.length];
    const inputs = new Map<string, Tensor>([[input.name, { datatype: 'FP32', shape, data: chunk }], ...this.#states]);
    if (rateInput !== undefined) {
      const data = allocate(rateInput.datatype, 1);
      if (rateInput.datatype === 'INT64') (data as BigInt64Array)[0] = BigInt(sampleRate);
      else (data as Int32Array)[0] = sampleRate;
      inputs.set(rateInput.name, { datatype: rateInput.datatype, shape: rateInput.shape.map(() => 1), data });
    }
    return inputs;
  }
}
