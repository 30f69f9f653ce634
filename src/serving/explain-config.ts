/**
 * The config in force: what the file says, checked against what the model says, and the rest from the model or by
 * default, with where each value comes from. Out of it comes the signature that clients see.
 */
import { ModelportError } from '../errors.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { ExplainedConfig, ModelConfig, Origin, TensorSpecConfig } from '../model-config.ts';
import type { BatchFacts, Signature, TensorSpec } from '../model.ts';
import { applyLabels } from './class-label-files.ts';
import type { ConfigReading } from './model-config-file.ts';
import { mergeTensor } from './merge-tensor.ts';

/** What is known of a model before anybody wrote about it. */
export interface ModelFacts {
  readonly signature: Signature;
  /** `model.onnx (graph)`: named in origins and errors. */
  readonly source: string;
  /** Whether the config may leave a size open that the facts fix (an ensemble's facts are those of its steps). */
  readonly sizesMayBeOpen?: boolean;
}

export interface ExplainRequest {
  readonly name: string;
  readonly format: string;
  /** The model file, as `file` of the effective config. */
  readonly file?: string;
  readonly facts: ModelFacts;
  readonly reading?: ConfigReading;
  /** Labels are read from here. */
  readonly directory: string;
  /** A file of labels that was found beside the model; the config's own win. */
  readonly labelsFile?: string;
}

export interface Explanation {
  readonly config: ExplainedConfig;
  /** What the model itself takes and gives: the graph's facts with the config's batch axes, labels and the like. */
  readonly modelSignature: Signature;
  /** What clients see. Another one only where `reshape` is used. */
  readonly signature: Signature;
}

/** Largest batch where a config declares the batch axes and says no size. */
const defaultMaxBatchSize = 64;

/** Throws `INVALID_CONFIG` naming file, line, field and what the model says. */
export async function explainConfig(request: ExplainRequest): Promise<Explanation> {
  const { facts, reading } = request;
  const given = reading?.config ?? {};
  const origins = new Origins(reading, facts.source);
  const warnings = [...(reading?.warnings ?? [])];
  const fail = (path: string, message: string): ModelportError => {
    const at = reading?.locate(path) ?? path;
    return new ModelportError('INVALID_CONFIG', `${message} (${at})`, { at });
  };

  const inputs = mergeAll('inputs', facts, given.inputs, fail);
  const outputs = mergeAll('outputs', facts, given.outputs, fail);
  const labelled = await applyLabels(outputs, { given: given.outputs ?? [], directory: request.directory, ...(request.labelsFile === undefined ? {} : { found: request.labelsFile }), fail });
  warnings.push(...labelled.warnings);
  const batch = batchFacts(facts.signature.batch, given, inputs, labelled.outputs, fail);
  const withoutRows = batch.maxSize === 0 && facts.signature.batch.maxSize === 0 && given.batching !== false;
  const states = given.sequences?.states.length ? given.sequences.states.map(({ input, output }) => ({ input, output })) : facts.signature.states;
  const modelSignature: Signature = {
    inputs: withoutRows ? inputs.map(withoutBatchAxis) : inputs,
    outputs: withoutRows ? labelled.outputs.map(withoutBatchAxis) : labelled.outputs,
    batch,
    ...(states === undefined ? {} : { states }),
  };
  const signature = reshaped(modelSignature, given, fail);
  checkReferences(given, modelSignature, fail);

  origins.add('name', request.name, given.name, { source: 'its place', reason: 'named after its file or folder' });
  origins.add('format', request.format, given.format, { source: 'the content of the file' });
  if (request.file !== undefined) origins.add('file', request.file, given.file, { source: 'its place' });
  const config: ModelConfig = {
    ...given,
    name: request.name,
    format: request.format,
    ...(request.file === undefined ? {} : { file: request.file }),
    versions: origins.add('versions', given.versions ?? { latest: 1 }, given.versions),
    inputs: effectiveTensors('inputs', signature.inputs, given.inputs, origins, labelled.sources),
    outputs: effectiveTensors('outputs', signature.outputs, given.outputs, origins, labelled.sources),
    batching: effectiveBatching(batch, given, origins),
    queue: effectiveQueue(given, origins),
    instances: {
      ...given.instances,
      kind: origins.add('instances.kind', given.instances?.kind ?? 'auto', given.instances?.kind, { source: 'default', reason: 'measured when the model is loaded' }),
      count: origins.add('instances.count', given.instances?.count ?? 1, given.instances?.count),
    },
    cache: origins.add('cache', given.cache ?? false, given.cache),
  };
  for (const key of ['threads', 'resources', 'priority'] as const) {
    if (given.instances?.[key] !== undefined) origins.add(`instances.${key}`, given.instances[key], given.instances[key]);
  }
  for (const key of ['description', 'sequences', 'ensemble', 'warmup', 'task', 'examples', 'parameters'] as const) {
    if (given[key] !== undefined) origins.add(key, given[key], given[key]);
  }
  return { config: { config, origins: origins.list, warnings }, modelSignature, signature };
}

type Fail = (path: string, message: string) => ModelportError;

/** Collects where values come from while they are chosen. */
class Origins {
  readonly list: Origin[] = [];
  readonly #reading: ConfigReading | undefined;
  readonly modelSource: string;

  constructor(reading: ConfigReading | undefined, modelSource: string) {
    this.#reading = reading;
    this.modelSource = modelSource;
  }

  /** Gives `value` back. `given` is what the file says, undefined where it says nothing. */
  add<Value>(path: string, value: Value, given: unknown, otherwise: Omit<Origin, 'path'> = { source: 'default' }): Value {
    this.list.push({ path, ...(given === undefined ? otherwise : { source: this.inFile(path) }) });
    return value;
  }

  inFile(path: string): string {
    return this.#reading?.locate(path) ?? 'the config';
  }
}

function mergeAll(role: 'inputs' | 'outputs', facts: ModelFacts, given: readonly TensorSpecConfig[] | undefined, fail: Fail): TensorSpec[] {
  const specs = facts.signature[role];
  const seen = new Set<string>();
  given?.forEach((tensor, index) => {
    const path = `${role}[${index}]`;
    if (seen.has(tensor.name)) throw fail(`${path}.name`, `${role.slice(0, -1)} '${tensor.name}' is described twice`);
    seen.add(tensor.name);
    if (!specs.some((spec) => spec.name === tensor.name)) {
      const names = specs.map((spec) => spec.name);
      throw fail(`${path}.name`, `unexpected inference ${role.slice(0, -1)} '${tensor.name}': ${facts.source} has none of that name${suggestName(tensor.name, names)}`);
    }
  });
  return specs.map((spec) => {
    const index = given?.findIndex((tensor) => tensor.name === spec.name) ?? -1;
    return index === -1 ? spec : mergeTensor(spec, given![index]!, { path: `${role}[${index}]`, what: `${role.slice(0, -1)} '${spec.name}'`, source: facts.source, sizesMayBeOpen: facts.sizesMayBeOpen === true, fail });
  });
}

function batchFacts(model: BatchFacts, given: ModelConfig, inputs: readonly TensorSpec[], outputs: readonly TensorSpec[], fail: Fail): BatchFacts {
  const { batching } = given;
  if (batching === false) return { maxSize: 0, reason: 'cannot batch: the config turns it off' };
  const saysAxes = [...(given.inputs ?? []), ...(given.outputs ?? [])].some((tensor) => tensor.batchAxis !== undefined);
  if (!saysAxes) {
    if (batching?.maxSize === undefined) return model;
    if (model.maxSize === 0) throw fail('batching.maxSize', `batching.maxSize is ${batching.maxSize}, but the model ${model.reason}`);
    return { maxSize: batching.maxSize, reason: model.reason };
  }
  const rows = inputs.filter((input) => input.batchAxis !== undefined);
  if (rows.length === 0) {
    if (batching?.maxSize !== undefined) throw fail('batching.maxSize', `batching.maxSize is ${batching.maxSize}, but no input has a batch axis`);
    return { maxSize: 0, reason: 'cannot batch: the config says that no input has rows' };
  }
  const states = new Set(given.sequences?.states.map((state) => state.output));
  const without = outputs.find((output) => output.batchAxis === undefined && !states.has(output.name));
  if (without !== undefined) {
    const reason = `output '${without.name}' has no batch axis, so its rows cannot be told apart; say it with batchAxis under outputs`;
    if (batching?.maxSize !== undefined) throw fail('batching.maxSize', `batching.maxSize is ${batching.maxSize}, but ${reason}`);
    return { maxSize: 0, reason: `cannot batch: ${reason}` };
  }
  return { maxSize: batching?.maxSize ?? (model.maxSize || defaultMaxBatchSize), reason: 'can batch: the config says along which axes' };
}

function withoutBatchAxis(spec: TensorSpec): TensorSpec {
  const { batchAxis: _, ...rest } = spec;
  return rest;
}

/** Clients see the config's shape where the model wants another one. */
function reshaped(signature: Signature, given: ModelConfig, fail: Fail): Signature {
  const see = (role: 'inputs' | 'outputs') => signature[role].map((spec) => {
    const index = given[role]?.findIndex((tensor) => tensor.name === spec.name) ?? -1;
    const tensor = given[role]?.[index];
    if (tensor?.reshape === undefined) return spec;
    if (tensor.shape === undefined) throw fail(`${role}[${index}].reshape`, `${role.slice(0, -1)} '${spec.name}' has a reshape but no shape: say the shape that clients see`);
    if (spec.batchAxis !== undefined && spec.batchAxis !== 0) throw fail(`${role}[${index}].reshape`, `${role.slice(0, -1)} '${spec.name}': reshape needs the batch axis to be the first`);
    return { ...spec, shape: tensor.shape };
  });
  if (![...(given.inputs ?? []), ...(given.outputs ?? [])].some((tensor) => tensor.reshape !== undefined)) return signature;
  return { ...signature, inputs: see('inputs'), outputs: see('outputs') };
}

function checkReferences(given: ModelConfig, signature: Signature, fail: Fail): void {
  const names = signature.inputs.map((input) => input.name);
  const { batching, queue } = given;
  if (batching !== false && batching !== undefined) {
    if (batching.maskInput !== undefined && !names.includes(batching.maskInput)) {
      throw fail('batching.maskInput', `batching.maskInput is '${batching.maskInput}', but the model has no such input${suggestName(batching.maskInput, names)}`);
    }
    const tooLarge = batching.preferredSizes?.find((size) => size > signature.batch.maxSize);
    if (tooLarge !== undefined && signature.batch.maxSize > 0) {
      throw fail('batching.preferredSizes', `batching.preferredSizes holds ${tooLarge}, but at most ${signature.batch.maxSize} rows run together`);
    }
  }
  const levels = queue?.levels?.length ?? 1;
  if (queue?.defaultLevel !== undefined && queue.defaultLevel > levels) {
    throw fail('queue.defaultLevel', `queue.defaultLevel is ${queue.defaultLevel}, but there ${levels === 1 ? 'is 1 level' : `are ${levels} levels`}`);
  }
  given.warmup?.forEach((sample, index) => {
    for (const name of Object.keys(sample.inputs)) {
      if (!names.includes(name)) throw fail(`warmup[${index}].inputs.${name}`, `warm-up data for '${name}', but the model has no such input${suggestName(name, names)}`);
    }
    if (sample.batchSize > signature.batch.maxSize && sample.batchSize > 1) {
      throw fail(`warmup[${index}].batchSize`, `warm-up with ${sample.batchSize} rows, but at most ${Math.max(1, signature.batch.maxSize)} run together`);
    }
  });
}

function effectiveTensors(role: 'inputs' | 'outputs', specs: readonly TensorSpec[], given: readonly TensorSpecConfig[] | undefined, origins: Origins, labelSources: ReadonlyMap<string, string>): TensorSpecConfig[] {
  return specs.map((spec, index) => {
    const givenIndex = given?.findIndex((tensor) => tensor.name === spec.name) ?? -1;
    const tensor = given?.[givenIndex];
    const told = (key: keyof TensorSpecConfig, value: unknown) => {
      if (tensor?.[key] === undefined && value === undefined) return;
      // The place in the file is that of the file's own order.
      const source = tensor?.[key] === undefined ? origins.modelSource : origins.inFile(`${role}[${givenIndex}].${key}`);
      origins.list.push({ path: `${role}[${index}].${key}`, source });
    };
    told('datatype', spec.datatype);
    told('shape', spec.shape);
    told('batchAxis', spec.batchAxis ?? false);
    told('reshape', undefined);
    told('optional', spec.optional);
    if (role === 'outputs' && spec.labels !== undefined) origins.list.push({ path: `${role}[${index}].labels`, source: labelSources.get(spec.name) ?? origins.modelSource });
    return {
      ...tensor,
      name: spec.name,
      datatype: spec.datatype,
      shape: [...spec.shape],
      batchAxis: spec.batchAxis ?? (false as const),
      ...(spec.optional === undefined ? {} : { optional: spec.optional }),
    };
  });
}

function effectiveBatching(batch: BatchFacts, given: ModelConfig, origins: Origins): ModelConfig['batching'] {
  const said = given.batching === false ? undefined : given.batching;
  if (batch.maxSize === 0) return origins.add('batching', false as const, given.batching, { source: origins.modelSource, reason: batch.reason });
  return {
    ...said,
    maxSize: origins.add('batching.maxSize', batch.maxSize, said?.maxSize, { source: origins.modelSource, reason: batch.reason }),
    maxQueueDelayMs: origins.add('batching.maxQueueDelayMs', said?.maxQueueDelayMs ?? 0, said?.maxQueueDelayMs, { source: 'default', reason: 'requests of one event-loop turn are joined, nothing waits' }),
    preserveOrder: origins.add('batching.preserveOrder', said?.preserveOrder ?? false, said?.preserveOrder),
    padding: origins.add('batching.padding', said?.padding ?? false, said?.padding),
  };
}

function effectiveQueue(given: ModelConfig, origins: Origins): NonNullable<ModelConfig['queue']> {
  const { queue } = given;
  if (queue?.levels !== undefined) origins.add('queue.levels', queue.levels, queue.levels);
  return {
    ...queue,
    maxSize: origins.add('queue.maxSize', queue?.maxSize ?? 10_000, queue?.maxSize),
    defaultTimeoutMs: origins.add('queue.defaultTimeoutMs', queue?.defaultTimeoutMs ?? 0, queue?.defaultTimeoutMs),
    timeoutAction: origins.add('queue.timeoutAction', queue?.timeoutAction ?? 'reject', queue?.timeoutAction),
    allowTimeoutOverride: origins.add('queue.allowTimeoutOverride', queue?.allowTimeoutOverride ?? true, queue?.allowTimeoutOverride),
  };
}
