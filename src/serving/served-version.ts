/** One version that was loaded, as the repository hands it out. */
import type { Artifact } from '../artifact.ts';
import type { ExplainedConfig } from '../model-config.ts';
import type { Model } from '../model.ts';
import type { ServedModel, StatisticsSnapshot } from '../repository.ts';

/** What the composition makes of an artifact: warm, wrapped, ready to be called. Disposing of `model` drains it. */
export interface AssembledModel {
  readonly model: Model;
  /** The config in force, with what was measured at warm-up. */
  readonly config: ExplainedConfig;
  statistics(): StatisticsSnapshot;
  /** False while instances are being replaced. */
  ready(): boolean;
}

export interface ServedVersionFacts {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly artifact: Artifact;
  /** Versions of this name that are ready, ascending; asked for each time. */
  readonly versions: () => readonly string[];
  /** Whether the models that this one calls are ready. */
  readonly stepsReady: () => boolean;
}

/**
 * Its `model` forwards to the assembled one. A request that was handed this version just before it was replaced calls
 * it afterwards; from {@link redirect} on such a late call is answered by the successor instead of being refused.
 */
export class ServedVersion implements ServedModel {
  readonly name: string;
  readonly version: string;
  readonly platform: string;
  readonly artifact: Artifact;
  readonly config: ExplainedConfig;
  readonly model: Model;
  readonly #slot: Slot;
  readonly #assembled: AssembledModel;
  readonly #facts: ServedVersionFacts;

  constructor(facts: ServedVersionFacts, assembled: AssembledModel) {
    this.name = facts.name;
    this.version = facts.version;
    this.platform = facts.platform;
    this.artifact = facts.artifact;
    this.config = assembled.config;
    this.#facts = facts;
    this.#assembled = assembled;
    this.#slot = { target: assembled.model, next: undefined };
    this.model = forwarding(this.#slot);
  }

  get versions(): readonly string[] {
    return this.#facts.versions();
  }

  statistics(): StatisticsSnapshot {
    return this.#assembled.statistics();
  }

  ready(): boolean {
    return this.#assembled.ready() && this.#facts.stepsReady();
  }

  /** Whether a request that was checked against this version fits the other one as well. */
  takesSameRequests(other: ServedVersion): boolean {
    return requestShape(this.model) === requestShape(other.model);
  }

  redirect(successor: ServedVersion): void {
    this.#slot.next = successor.#slot;
  }

  /** Resolves when the calls under way are answered and memory is given back. */
  async release(): Promise<void> {
    await this.#assembled.model[Symbol.asyncDispose]();
  }
}

/** Where calls go: to the target, or from the redirection on to where the next one's go. */
interface Slot {
  readonly target: Model;
  next: Slot | undefined;
}

function current(slot: Slot): Model {
  let last = slot;
  while (last.next !== undefined) last = last.next;
  return last.target;
}

/** Has the verbs that the target has. Whoever is handed it does not own the model: disposing of it does nothing. */
function forwarding(slot: Slot): Model {
  const { target } = slot;
  return {
    signature: target.signature,
    ...(target.infer === undefined ? {} : { infer: (request, call) => current(slot).infer!(request, call) }),
    ...(target.stream === undefined ? {} : { stream: (request, call) => current(slot).stream!(request, call) }),
    ...(target.generate === undefined ? {} : { generate: (request, call) => current(slot).generate!(request, call) }),
    ...(target.predict === undefined ? {} : { predict: (value, call) => current(slot).predict!(value, call) }),
    ...(target.predictStream === undefined ? {} : { predictStream: (value, call) => current(slot).predictStream!(value, call) }),
    [Symbol.asyncDispose]: async () => {},
  } satisfies Model;
}

function requestShape(model: Model): string {
  const { inputs, outputs, predict } = model.signature;
  const tensors = [...inputs, ...outputs].map(({ name, datatype, shape, batchAxis, optional }) => [name, datatype, shape, batchAxis, optional]);
  return JSON.stringify([tensors, inputs.length, predict?.task, predict?.input, Object.keys(model).sort()]);
}
