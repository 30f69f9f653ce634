/**
 * The scheduler of models that answer sequences of requests with state between them. It is used instead of dynamic
 * batching where the config has `sequences`, and follows Triton's sequence batcher.
 *
 * A sequence has at most one request in a run; its states are taken from the run's answer before its next request is
 * gathered. Which requests may run is {@link SequenceTable}'s to say; this file makes runs of them.
 */
import { Call } from '../call.ts';
import { ModelportError } from '../errors.ts';
import type { ExecutionObserver } from '../execution.ts';
import type { SequencesConfig } from '../model-config.ts';
import type { InferRequest, InferResponse, Model, Signature } from '../model.ts';
import { byteLength, type Tensor } from '../tensor.ts';
import { queuePolicy, type QueueConfig } from './queue-policy.ts';
import { compact, fitTogether, joinRows, splitRows, type Row } from './sequence-run.ts';
import { idRow, planSequences, zeroTensor, type SequencePlan } from './sequence-plan.ts';
import { SequenceTable, type Sequence, type SequenceLane, type SequenceRequest } from './sequence-table.ts';

export interface SequenceBatchingOptions {
  readonly modelName: string;
  readonly sequences: SequencesConfig;
  /** Runs that may be under way at once: the number of instances. */
  readonly concurrency: number;
  /**
   * The instances one by one, for models that keep state in themselves: a sequence then stays on one. Without it every
   * run goes to the model that is wrapped. Whoever passes them disposes of them.
   */
  readonly instances?: readonly Model[];
  /** The bytes of each state's `initialFile`, by state input (see `readInitialStates`). */
  readonly initialStates?: ReadonlyMap<string, Uint8Array>;
  /** Requests that may wait, those of waiting sequences included, and how long. Priority levels do not apply: the default level counts. */
  readonly queue?: QueueConfig;
  /** How long the first request of a run waits for those of other active sequences. Default 0. */
  readonly maxQueueDelayMs?: number;
  /** Sizes of runs that need not wait for more. */
  readonly preferredSizes?: readonly number[];
  /** Most memory that the states of all sequences take. Sequences that would need more wait. Default 1 GiB. */
  readonly maxStateBytes?: number;
  readonly observer?: ExecutionObserver;
}

export interface SequenceBatchingModel extends Model {
  infer(request: InferRequest, call: Call): Promise<InferResponse>;
  /** Sequences that have a slot, those without a request among them; sequences that wait for one; bytes of state held. */
  occupancy(): { readonly active: number; readonly waiting: number; readonly stateBytes: number };
}

/**
 * A model whose requests belong to sequences (`call.sequence`). Its signature lacks the control and state tensors, which
 * the scheduler makes. `infer` rejects with `INVALID_REQUEST` where the sequence is missing or was not started,
 * `QUEUE_FULL`, `DEADLINE_EXCEEDED`, `CANCELLED`, and with what the model rejects with. Throws `INVALID_CONFIG`.
 *
 * `direct`: a sequence keeps a slot of an instance, and all slots of it that have a request run together. `oldest`:
 * requests of different sequences are batched as they come. Both hold back sequences beyond `maxSequences`.
 */
export function sequenceBatching(model: Model, options: SequenceBatchingOptions): SequenceBatchingModel {
  return new SequenceScheduler(model, options);
}

const defaultSequences = 1024;
const defaultStateBytes = 2 ** 30;
/** How many more requests than fit into a run are looked at for it, in runs. */
const lookAhead = 4;

interface Picked {
  readonly sequence: Sequence;
  readonly row: Row;
}

class SequenceScheduler implements SequenceBatchingModel {
  readonly signature: Signature;
  readonly #wrapped: Model;
  readonly #options: SequenceBatchingOptions;
  readonly #plan: SequencePlan;
  readonly #lanes: readonly SequenceLane[];
  readonly #table: SequenceTable;
  #dispatchScheduled = false;
  #disposal: Promise<void> | undefined;

  constructor(model: Model, options: SequenceBatchingOptions) {
    this.#wrapped = model;
    this.#options = options;
    const { modelName, sequences, maxStateBytes = defaultStateBytes } = options;
    this.#plan = planSequences(modelName, model.signature, sequences, options.initialStates);
    this.signature = this.#plan.visible;
    if (this.#plan.stateBytes > maxStateBytes) {
      throw this.#invalidConfig('sequences.states', `the states of one sequence take ${this.#plan.stateBytes} bytes, but those of all may take ${maxStateBytes}`);
    }
    this.#lanes = this.#makeLanes();
    const { levels, defaultLevel } = queuePolicy(options.queue);
    this.#table = new SequenceTable({
      modelName,
      lanes: this.#lanes,
      policy: levels[defaultLevel]!,
      idleTimeoutMs: sequences.idleTimeoutMs,
      initialStateBytes: this.#plan.stateBytes,
      maxStateBytes,
      onReady: () => this.#scheduleDispatch(),
    });
  }

  #makeLanes(): SequenceLane[] {
    const { sequences, instances, concurrency } = this.#options;
    const { maxRows, fillsRows, states, controls } = this.#plan;
    if (instances === undefined && concurrency > 1 && states.length === 0 && controls.length > 0) {
      throw this.#invalidConfig('instances.count', `the model keeps its state in itself, so a sequence must stay on one instance, but it has ${concurrency}; set instances.count: 1`);
    }
    const laneOf = (model: Model, slots: number, parallel: number): SequenceLane => {
      if (model.infer === undefined) throw this.#invalidConfig('sequences', 'the model has no infer');
      return { model: model as Required<Pick<Model, 'infer'>>, slots: new Array<undefined>(slots).fill(undefined), parallel, occupied: 0, inFlight: 0, ready: [], timer: undefined };
    };
    const parallel = Math.max(1, concurrency);
    if (sequences.strategy === 'oldest') {
      const slots = sequences.maxSequences ?? defaultSequences;
      if (instances === undefined) return [laneOf(this.#wrapped, slots, parallel)];
      return instances.map((instance) => laneOf(instance, Math.ceil(slots / instances.length), 1));
    }
    const slots = sequences.maxSequences ?? maxRows;
    if (fillsRows && slots > maxRows) {
      throw this.#invalidConfig('sequences.maxSequences', `a model with a ready control has one row for each slot, so ${slots} slots do not fit into runs of ${maxRows} rows`);
    }
    return (instances ?? new Array<Model>(parallel).fill(this.#wrapped)).map((instance) => laneOf(instance, slots, 1));
  }

  #invalidConfig(at: string, message: string): ModelportError {
    return new ModelportError('INVALID_CONFIG', `model '${this.#options.modelName}': ${at}: ${message}`, { at });
  }

  occupancy(): { active: number; waiting: number; stateBytes: number } {
    return this.#table.occupancy();
  }

  infer(request: InferRequest, call: Call): Promise<InferResponse> {
    return new Promise((resolve, reject) => {
      this.#check(request, call);
      this.#table.accept(request, call, resolve, reject);
    });
  }

  #check(request: InferRequest, call: Call): void {
    const { modelName } = this.#options;
    for (const spec of this.signature.inputs) {
      const rows = spec.batchAxis === undefined ? 1 : (request.inputs.get(spec.name)?.shape[spec.batchAxis] ?? 1);
      if (rows !== 1) {
        throw new ModelportError('INVALID_REQUEST', `inference request to model '${modelName}' must specify batch-size 1 due to requirements of sequence batcher`, { at: `inputs.${spec.name}.shape` });
      }
    }
    const id = call.sequence?.id ?? '';
    if (id === 0n || id === '') {
      throw new ModelportError('INVALID_REQUEST', `inference request to model '${modelName}' must specify a non-zero or non-empty correlation ID`, { at: 'parameters.sequence_id' });
    }
    for (const control of this.#plan.controls) if (control.kind === 'correlation-id') idRow(control, id, modelName);
  }

  /** After the turn of the event loop, so that all of its requests run together. */
  #scheduleDispatch(): void {
    if (this.#dispatchScheduled) return;
    this.#dispatchScheduled = true;
    setImmediate(() => {
      this.#dispatchScheduled = false;
      for (const lane of this.#lanes) this.#dispatch(lane);
    });
  }

  #dispatch(lane: SequenceLane): void {
    clearTimeout(lane.timer);
    lane.timer = undefined;
    while (lane.ready.length > 0 && lane.inFlight < lane.parallel) {
      const picked = this.#pick(lane);
      const waitMs = this.#waitMs(lane, picked);
      if (waitMs > 0) {
        lane.timer = setTimeout(() => this.#dispatch(lane), Math.ceil(waitMs));
        return;
      }
      void this.#run(lane, picked);
    }
  }

  /** The first requests of the sequences that came first, as far as they fit together. Leaves them in line. */
  #pick(lane: SequenceLane): Picked[] {
    const { maxRows, fillsRows, model } = this.#plan;
    const picked: Picked[] = [];
    for (const sequence of lane.ready.slice(0, maxRows * lookAhead)) {
      const row = this.#row(sequence.queue[0]!);
      if (picked.length === 0 || fitTogether(picked[0]!.row, row, model.inputs)) picked.push({ sequence, row });
      if (picked.length === maxRows) break;
    }
    if (fillsRows) picked.sort((a, b) => a.sequence.slot - b.sequence.slot);
    return picked;
  }

  /** How long the run should still wait for other active sequences. */
  #waitMs(lane: SequenceLane, picked: readonly Picked[]): number {
    const { maxQueueDelayMs = 0, preferredSizes = [] } = this.#options;
    if (maxQueueDelayMs === 0 || picked.length === this.#plan.maxRows || preferredSizes.includes(picked.length)) return 0;
    if (!lane.slots.some((sequence) => sequence !== undefined && !sequence.running && !sequence.offered)) return 0;
    return picked[0]!.sequence.queue[0]!.call.timing.queuedAtMs + maxQueueDelayMs - performance.now();
  }

  #row(waiting: SequenceRequest): Row {
    const { controls, states } = this.#plan;
    const { request, position, sequence } = waiting;
    const inputs = new Map(request.inputs);
    for (const control of controls) {
      const said = control.kind === 'ready' || (control.kind === 'start' && position.start) || (control.kind === 'end' && position.end);
      inputs.set(control.spec.name, control.kind === 'correlation-id' ? idRow(control, position.id, this.#options.modelName) : said ? control.yes : control.no);
    }
    const held = position.start ? undefined : sequence.states;
    for (const state of states) inputs.set(state.input.name, held?.get(state.input.name) ?? state.initial);
    return { inputs, parameters: request.parameters };
  }

  async #run(lane: SequenceLane, picked: readonly Picked[]): Promise<void> {
    const { modelName, observer } = this.#options;
    const { model: signature } = this.#plan;
    const dequeuedAtMs = performance.now();
    const taken = picked.map(({ sequence }) => this.#table.take(sequence));
    for (const { call } of taken) call.timing.dequeuedAtMs = dequeuedAtMs;
    lane.inFlight++;
    try {
      const places = this.#places(picked);
      const inputs = joinRows(places.map((place) => place.row), signature.inputs);
      const outputs = this.#wantedOutputs(taken);
      const first = taken[0]!;
      const { parameters } = first.request;
      const runStartedAtMs = performance.now();
      const response = await lane.model.infer(
        { inputs, ...(outputs === undefined ? {} : { outputs }), ...(parameters === undefined ? {} : { parameters }) },
        runCall(first),
      );
      const runEndedAtMs = performance.now();
      const answers = splitRows(response, places.length, signature.outputs, modelName);
      const settlers = taken.map((one) => {
        Object.assign(one.call.timing, { runStartedAtMs, runEndedAtMs, batchSize: taken.length });
        return this.#takeAnswer(one, answers[places.findIndex((place) => place.sequence === one.sequence)]!, response);
      });
      observer?.executed(taken.length, runStartedAtMs - dequeuedAtMs, runEndedAtMs - runStartedAtMs, performance.now() - runEndedAtMs);
      for (const [index, settle] of settlers.entries()) this.#table.answer(taken[index]!, settle);
    } catch (error) {
      for (const one of taken) this.#table.answer(one, () => one.reject(error));
    } finally {
      lane.inFlight--;
      for (const one of taken) this.#table.finish(one);
      this.#scheduleDispatch();
    }
  }

  /** The rows of the run. A model with a `ready` control sees each sequence in the row of its slot. */
  #places(picked: readonly Picked[]): readonly { readonly row: Row; readonly sequence: Sequence | undefined }[] {
    if (!this.#plan.fillsRows) return picked;
    const empty = this.#emptyRow(picked[0]!.row);
    return Array.from({ length: picked.at(-1)!.sequence.slot + 1 }, (_, slot) => picked.find(({ sequence }) => sequence.slot === slot) ?? { row: empty, sequence: undefined });
  }

  /** A row that belongs to no request, in the shapes of one that does. */
  #emptyRow(like: Row): Row {
    const inputs = new Map<string, Tensor>();
    for (const spec of this.#plan.model.inputs) {
      const tensor = like.inputs.get(spec.name);
      if (tensor === undefined) continue;
      const control = this.#plan.controls.find((candidate) => candidate.spec === spec);
      inputs.set(spec.name, control?.no ?? (spec.batchAxis === undefined ? tensor : zeroTensor(tensor.datatype, tensor.shape)));
    }
    return { inputs, parameters: undefined };
  }

  /** What any of them asked for, and the states; undefined: everything. */
  #wantedOutputs(taken: readonly SequenceRequest[]): string[] | undefined {
    const wanted = new Set<string>();
    for (const { request } of taken) {
      if (request.outputs === undefined) return undefined;
      for (const name of request.outputs) wanted.add(name);
    }
    for (const state of this.#plan.states) wanted.add(state.output.name);
    return [...wanted];
  }

  /** Keeps the states of one row. Returns how its caller is answered. */
  #takeAnswer(taken: SequenceRequest, outputs: ReadonlyMap<string, Tensor>, response: InferResponse): () => void {
    const { sequence, request, resolve, reject } = taken;
    if (this.#plan.states.length > 0) {
      const states = new Map<string, Tensor>();
      let bytes = 0;
      for (const { input, output } of this.#plan.states) {
        const tensor = outputs.get(output.name);
        if (tensor === undefined) throw new ModelportError('RUN_FAILED', `model '${this.#options.modelName}' did not answer with its state '${output.name}'`);
        states.set(input.name, compact(tensor));
        bytes += byteLength(tensor);
      }
      const error = this.#table.keepStates(sequence, states, bytes);
      if (error !== undefined) return () => reject(error);
    }
    const visible = new Map<string, Tensor>();
    for (const name of request.outputs ?? this.signature.outputs.map((spec) => spec.name)) {
      const tensor = outputs.get(name);
      if (tensor !== undefined) visible.set(name, tensor);
    }
    return () => resolve({ outputs: visible, ...(response.parameters === undefined ? {} : { parameters: response.parameters }) });
  }

  /** Requests that wait are still answered; sequences without requests end at once. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#disposal ??= this.#table.close().then(() => this.#wrapped[Symbol.asyncDispose]());
    return this.#disposal;
  }
}

/** The call of a run: cancelled by none of those whose rows it holds. Its sequence tells the instances not to retry it. */
function runCall({ call, position }: SequenceRequest): Call {
  return new Call({ priority: call.priority, sequence: position, ...(call.trace === undefined ? {} : { trace: call.trace }) });
}
