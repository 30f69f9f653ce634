/**
 * A graph of models that is a Model. Each step is a call of another served model, so that it joins that model's own
 * batches, is counted in its statistics and follows it when it is replaced. Tensors are handed on, never copied here.
 */
import type { Call } from '../call.ts';
import { checkRequest } from '../check-request.ts';
import { isModelportError, ModelportError } from '../errors.ts';
import type { EnsembleConfig } from '../model-config.ts';
import type { InferRequest, InferResponse, Model, Signature } from '../model.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { Tensor } from '../tensor.ts';
import { neededSteps, planEnsemble, stepLabel, type EnsemblePlan, type EnsembleTensors, type StepPlan } from './ensemble-plan.ts';

export interface EnsembleOptions {
  readonly name: string;
  /** Names of the models that are known, for the hint in an error. */
  readonly modelNames?: () => Iterable<string>;
}

/** Finds the model of a step: its newest version where none is named. Throws where there is none that is ready. */
export type ModelLookup = (name: string, version?: string) => Model;

/** Ensembles may be steps of ensembles. A replaced model can close a circle that no check at loading sees. */
const deepestNesting = 16;
const nesting = new WeakMap<Call, number>();

/**
 * Builds the ensemble and checks it: throws `INVALID_CONFIG` for an unknown model or tensor, one that is made twice, a
 * circle, a step that no output needs, and for datatypes or shapes that disagree. `tensors` is what the config says about
 * inputs and outputs; the rest is inferred. Models are looked up again for every request.
 *
 * `infer` runs each step as soon as its tensors are there, leaves out steps that no asked output needs, and rejects with
 * the error of the step that fails first; the others are then cancelled.
 */
export function ensemble(config: EnsembleConfig, tensors: EnsembleTensors, lookup: ModelLookup, options: EnsembleOptions): Model & Required<Pick<Model, 'infer'>> {
  return new Ensemble(planEnsemble(options.name, config, tensors, (index) => signatureOf(index)), lookup, options.name);

  function signatureOf(index: number): Signature {
    const step = config.steps[index]!;
    const at = `ensemble.steps[${index}].model`;
    const fail = (message: string, cause?: unknown): ModelportError => new ModelportError('INVALID_CONFIG', `ensemble '${options.name}': ${at}: ${message}`, { at, cause });
    if (step.model === options.name) throw fail('an ensemble cannot be a step of itself');
    let model: Model;
    try {
      model = lookup(step.model, step.version);
    } catch (error) {
      const known = [...(options.modelNames?.() ?? [])].filter((name) => name !== options.name);
      if (known.includes(step.model)) throw fail(`model '${step.model}' cannot be used: ${error instanceof Error ? error.message : String(error)}`, error);
      throw fail(`there is no model '${step.model}'${suggestName(step.model, known)}`, error);
    }
    if (model.infer === undefined) throw fail(`model '${step.model}' has no infer`);
    return model.signature;
  }
}

/** The models that an ensemble calls, each once, in the order of its steps. */
export function ensembleModels(config: EnsembleConfig): { readonly name: string; readonly version: string | undefined }[] {
  const models = new Map(config.steps.map((step) => [`${step.model}\0${step.version ?? ''}`, { name: step.model, version: step.version }]));
  return [...models.values()];
}

class Ensemble implements Model {
  readonly signature: Signature;
  readonly #plan: EnsemblePlan;
  readonly #lookup: ModelLookup;
  readonly #name: string;
  #running = 0;
  #disposed = false;
  #onIdle: (() => void) | undefined;

  constructor(plan: EnsemblePlan, lookup: ModelLookup, name: string) {
    this.signature = plan.signature;
    this.#plan = plan;
    this.#lookup = lookup;
    this.#name = name;
  }

  async infer(request: InferRequest, call: Call): Promise<InferResponse> {
    if (this.#disposed) throw new ModelportError('UNAVAILABLE', `ensemble '${this.#name}' is unloaded`);
    call.throwIfCancelled();
    const depth = (nesting.get(call) ?? 0) + 1;
    if (depth > deepestNesting) throw new ModelportError('RUN_FAILED', `ensembles are nested more than ${deepestNesting} deep: '${this.#name}' is probably a step of itself`);
    this.#running++;
    call.timing.queuedAtMs = call.timing.dequeuedAtMs = call.timing.runStartedAtMs = performance.now();
    try {
      const outputs = await new EnsembleRun(this.#plan, request, call, (step, stepRequest, stepCall) => this.#runStep(step, stepRequest, stepCall, depth)).start();
      return { outputs };
    } catch (error) {
      // Triton's clients look for this beginning.
      if (!isModelportError(error)) throw error;
      const { at, retryAfterSeconds } = error;
      throw new ModelportError(error.code, `in ensemble '${this.#name}', ${error.message}`, { cause: error, ...(at === undefined ? {} : { at }), ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) });
    } finally {
      call.timing.runEndedAtMs = performance.now();
      if (--this.#running === 0) this.#onIdle?.();
    }
  }

  async #runStep(step: StepPlan, request: InferRequest, call: Call, depth: number): Promise<InferResponse> {
    nesting.set(call, depth);
    const model = this.#modelOf(step);
    checkRequest(request, model.signature, step.model);
    if (model.infer === undefined) throw new ModelportError('UNSUPPORTED', `model '${step.model}' has no infer`);
    return model.infer(request, call);
  }

  /** That a step is missing is no mistake of the client's. */
  #modelOf(step: StepPlan): Model {
    try {
      return this.#lookup(step.model, step.version);
    } catch (error) {
      if (!isModelportError(error) || error.code !== 'NOT_FOUND') throw error;
      throw new ModelportError('UNAVAILABLE', error.message, { cause: error });
    }
  }

  /** The models of the steps belong to the repository and stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
  }
}

/** One request on its way through the graph. */
class EnsembleRun {
  readonly #plan: EnsemblePlan;
  readonly #call: Call;
  readonly #runStep: (step: StepPlan, request: InferRequest, call: Call) => Promise<InferResponse>;
  readonly #wanted: readonly string[];
  readonly #needed: ReadonlySet<StepPlan>;
  /** Tensors that somebody will still read. */
  readonly #tensors = new Map<string, Tensor>();
  /** How many steps have still to read a tensor; a wanted output is read by the caller too. */
  readonly #readers = new Map<string, number>();
  /** How many of a step's tensors are not there yet. */
  readonly #missing = new Map<StepPlan, number>();
  readonly #underWay = new Set<Call>();
  #left: number;
  #resolve: (outputs: ReadonlyMap<string, Tensor>) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #failed = false;

  constructor(plan: EnsemblePlan, request: InferRequest, call: Call, runStep: (step: StepPlan, request: InferRequest, call: Call) => Promise<InferResponse>) {
    this.#plan = plan;
    this.#call = call;
    this.#runStep = runStep;
    this.#wanted = request.outputs ?? plan.signature.outputs.map((output) => output.name);
    this.#needed = neededSteps(this.#wanted, plan.producers);
    this.#left = this.#needed.size;
    for (const tensor of this.#wanted) this.#readers.set(tensor, 1);
    for (const step of this.#needed) {
      this.#missing.set(step, step.waitsFor);
      for (const tensor of new Set(step.inputs.map(([, name]) => name))) this.#readers.set(tensor, (this.#readers.get(tensor) ?? 0) + 1);
    }
    for (const [name, tensor] of request.inputs) if (this.#readers.has(name)) this.#tensors.set(name, tensor);
  }

  start(): Promise<ReadonlyMap<string, Tensor>> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      for (const step of this.#needed) if (step.waitsFor === 0) void this.#start(step);
      this.#settleIfDone();
    });
  }

  async #start(step: StepPlan): Promise<void> {
    if (this.#failed) return;
    const call = this.#call.child({ name: step.model, ...(this.#call.sequence === undefined ? {} : { sequence: this.#call.sequence }) });
    this.#underWay.add(call);
    try {
      this.#call.throwIfCancelled();
      const response = await this.#runStep(step, this.#request(step), call);
      if (this.#failed) return;
      this.#take(step, response);
      this.#left--;
      this.#settleIfDone();
    } catch (error) {
      this.#fail(step, error);
    } finally {
      this.#underWay.delete(call);
    }
  }

  /** Its tensors, each given up by its last reader, and only the outputs that somebody reads. */
  #request(step: StepPlan): InferRequest {
    const inputs = new Map<string, Tensor>();
    for (const [input, name] of step.inputs) {
      const tensor = this.#tensors.get(name);
      if (tensor !== undefined) inputs.set(input, tensor);
    }
    for (const name of new Set(step.inputs.map(([, tensor]) => tensor))) this.#release(name);
    const read = step.outputs.filter(([, tensor]) => this.#readers.has(tensor));
    return read.length === step.outputs.length ? { inputs } : { inputs, outputs: read.map(([output]) => output) };
  }

  #release(name: string): void {
    const readers = this.#readers.get(name)! - 1;
    this.#readers.set(name, readers);
    if (readers === 0) this.#tensors.delete(name);
  }

  #take(step: StepPlan, response: InferResponse): void {
    for (const [output, name] of step.outputs) {
      if (!this.#readers.has(name)) continue;
      const tensor = response.outputs.get(output);
      if (tensor === undefined) throw new ModelportError('RUN_FAILED', `model '${step.model}' did not answer with output '${output}'`);
      this.#tensors.set(name, tensor);
    }
    for (const [, name] of step.outputs) {
      for (const reader of this.#plan.consumers.get(name) ?? []) {
        if (!this.#needed.has(reader)) continue;
        const missing = this.#missing.get(reader)! - 1;
        this.#missing.set(reader, missing);
        if (missing === 0) void this.#start(reader);
      }
    }
  }

  #settleIfDone(): void {
    if (this.#left > 0 || this.#failed) return;
    this.#resolve(new Map(this.#wanted.map((name) => [name, this.#tensors.get(name)!])));
  }

  #fail(step: StepPlan, error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    this.#tensors.clear();
    for (const call of this.#underWay) call.cancel();
    this.#reject(inStep(step, error));
  }
}

/** The error of a step with its name: code and place are the step's own. */
function inStep(step: StepPlan, error: unknown): unknown {
  if (!isModelportError(error)) return new ModelportError('RUN_FAILED', `${error instanceof Error ? error.message : String(error)} [${stepLabel(step)}]`, { cause: error });
  const { at, retryAfterSeconds } = error;
  return new ModelportError(error.code, `${error.message} [${stepLabel(step)}]`, { cause: error, ...(at === undefined ? {} : { at }), ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) });
}
