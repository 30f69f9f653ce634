/** Triton's model configuration (`config.pbtxt`, or the JSON of its `config` load parameter) read as ours. */
import { ModelportError } from '../errors.ts';
import type { EnsembleConfig, ModelConfig, QueuePolicyConfig, SequencesConfig, TensorSpecConfig, WarmupConfig } from '../model-config.ts';
import type { Datatype } from '../tensor.ts';
import { decodeJson, decodeText, jsonName } from './protobuf-message.ts';
import { parsePrototext } from './prototext.ts';
import { tritonModelConfigType, type TritonModelConfig } from './triton-model-config-schema.ts';

export { tritonModelConfig } from './triton-model-config-json.ts';

export interface TritonConfigReading {
  readonly config: ModelConfig;
  /** Fields that are set and not honoured, each with its path, place and the reason. */
  readonly warnings: readonly string[];
  /** `config.pbtxt:12` for a path of `config` (`inputs[0].shape`); the file alone where the line is unknown. */
  readonly locate: (path: string) => string;
}

/** Reads the text of a `config.pbtxt`. Throws `INVALID_CONFIG` naming file, line and the nearest known field. */
export function readTritonConfigText(text: string, fileName: string): TritonConfigReading {
  const { value, lines } = decodeText(tritonModelConfigType, parsePrototext(text, fileName), fileName);
  return readTritonConfig(value, (path) => {
    // A path without a line of its own is told by the nearest one around it.
    for (let outer = path; outer !== ''; outer = outer.replace(/(?:^|\.)[^.[\]]+$|\[[^\]]*\]$/, '')) {
      if (lines.has(outer)) return `${fileName}:${lines.get(outer)}`;
    }
    return fileName;
  });
}

/** Reads the JSON form, already parsed. `source` names it in errors: `the config of the load request`. */
export function readTritonConfigJson(value: unknown, source: string): TritonConfigReading {
  return readTritonConfig(decodeJson(tritonModelConfigType, value, source), () => source);
}

/** Whether a JSON object is Triton's form of a config and not ours: it has a member that only Triton knows. */
export function isTritonConfigJson(value: unknown, ownKeys: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const tritonKeys = new Set(Object.keys(tritonModelConfigType.fields).flatMap((name) => [name, jsonName(name)]));
  const keys = Object.keys(value);
  if (keys.some((key) => tritonKeys.has(key) && !ownKeys.includes(key))) return true;
  const parameters = (value as { parameters?: unknown }).parameters;
  return typeof parameters === 'object' && parameters !== null && Object.values(parameters).some((parameter) => typeof parameter === 'object');
}

/** Triton's name of what executes a model → the format of the model file, as Modelport names it. */
const formatsByPlatform: Readonly<Record<string, string>> = {
  onnxruntime_onnx: 'onnx', onnxruntime: 'onnx', ensemble: 'ensemble',
  tensorflow_savedmodel: 'saved-model', tensorflow_graphdef: 'graph-def', tensorflow: 'saved-model',
  pytorch_libtorch: 'torchscript', pytorch: 'torchscript', tensorrt_plan: 'tensorrt', tensorrt: 'tensorrt',
  openvino: 'openvino', python: 'python',
};

/** Where a path of our config comes from, first match first; `[…]` of lists stay. */
const tritonPaths: readonly (readonly [RegExp, string])[] = [
  [/^inputs\b/, 'input'], [/^outputs\b/, 'output'], [/\.shape$/, '.dims'], [/\.datatype$/, '.data_type'], [/\.labelsFile$/, '.label_filename'],
  [/^batching\.(preferredSizes|maxQueueDelayMs|preserveOrder)$/, 'dynamic_batching'], [/^batching\b.*/, 'max_batch_size'], [/^queue\b.*/, 'dynamic_batching'],
  [/^instances\b.*/, 'instance_group'], [/^versions\b.*/, 'version_policy'], [/^sequences\.controls\b/, 'sequence_batching.control_input'],
  [/^sequences\.states\b/, 'sequence_batching.state'], [/^sequences\b.*/, 'sequence_batching'], [/^ensemble\.steps\b/, 'ensemble_scheduling.step'],
  [/^ensemble\b.*/, 'ensemble_scheduling'], [/^warmup\b/, 'model_warmup'], [/^file$/, 'default_model_filename'], [/^format$/, 'platform'], [/^cache$/, 'response_cache'],
];

function tritonPath(path: string): string {
  let result = path;
  for (const [pattern, replacement] of tritonPaths) result = result.replace(pattern, replacement);
  return result;
}

const microsecondsPerMs = 1000;

function readTritonConfig(triton: TritonModelConfig, locate: (path: string) => string): TritonConfigReading {
  return new TritonConfigMapping(triton, locate).read();
}

class TritonConfigMapping {
  readonly #triton: TritonModelConfig;
  readonly #locate: (path: string) => string;
  readonly #warnings: string[] = [];

  constructor(triton: TritonModelConfig, locate: (path: string) => string) {
    this.#triton = triton;
    this.#locate = locate;
  }

  read(): TritonConfigReading {
    const triton = this.#triton;
    const config: ModelConfig = {};
    if (triton.name) config.name = triton.name;
    const format = this.#format();
    if (format !== undefined) config.format = format;
    if (triton.default_model_filename) config.file = triton.default_model_filename;
    this.#versions(config);
    this.#tensors(config);
    this.#batching(config);
    this.#instances(config);
    if (triton.sequence_batching !== undefined) this.#sequences(config, triton.sequence_batching);
    if (triton.ensemble_scheduling !== undefined) config.ensemble = this.#ensemble(triton.ensemble_scheduling);
    if (triton.model_warmup !== undefined) config.warmup = triton.model_warmup.map((entry, index) => this.#warmup(entry, index));
    if (triton.response_cache !== undefined) config.cache = triton.response_cache.enable === true;
    this.#parameters(config);
    this.#reportUnhonoured();
    return { config, warnings: this.#warnings, locate: (path) => this.#locate(tritonPath(path)) };
  }

  #format(): string | undefined {
    const { platform, backend } = this.#triton;
    const byPlatform = this.#knownFormat('platform', platform);
    const byBackend = this.#knownFormat('backend', backend);
    if (byPlatform !== undefined && byBackend !== undefined && byPlatform !== byBackend && !(backend === 'tensorflow' && platform!.startsWith('tensorflow_'))) {
      throw this.#error('platform', `unexpected 'platform' and 'backend' pair, got: ${platform}, ${backend}`);
    }
    return byPlatform ?? byBackend;
  }

  #knownFormat(field: string, value: string | undefined): string | undefined {
    if (value === undefined || value === '') return undefined;
    if (Object.hasOwn(formatsByPlatform, value)) return formatsByPlatform[value];
    throw this.#error(field, `unexpected ${field} '${value}'; known are ${Object.keys(formatsByPlatform).join(', ')}`);
  }

  #versions(config: ModelConfig): void {
    const policy = this.#triton.version_policy;
    if (policy === undefined) return;
    if (policy.all !== undefined) config.versions = 'all';
    else if (policy.specific !== undefined) {
      const versions = policy.specific.versions ?? [];
      if (versions.length === 0) throw this.#error('version_policy.specific', 'version_policy.specific lists no versions');
      if (versions.some((version) => version < 1)) throw this.#error('version_policy.specific', 'versions are whole numbers from 1');
      config.versions = versions;
    } else config.versions = { latest: Math.max(1, policy.latest?.num_versions ?? 1) };
  }

  #tensors(config: ModelConfig): void {
    const { input, output } = this.#triton;
    const batched = (this.#triton.max_batch_size ?? 0) > 0;
    if (input !== undefined) {
      config.inputs = input.map((tensor, index) => {
        const at = `input[${index}]`;
        const spec = this.#tensor(tensor, at, batched);
        if (tensor.optional === true) spec.optional = true;
        if (tensor.format !== undefined && tensor.format !== 'FORMAT_NONE') spec.layout = tensor.format === 'FORMAT_NHWC' ? 'NHWC' : 'NCHW';
        if (tensor.allow_ragged_batch === true) {
          this.#warn(`${at}.allow_ragged_batch`, 'rows of different lengths are not joined as one flat tensor; they run one after the other, or padded with batching.padding of model.yaml');
        }
        return spec;
      });
    }
    if (output !== undefined) {
      config.outputs = output.map((tensor, index) => {
        const spec = this.#tensor(tensor, `output[${index}]`, batched);
        if (tensor.label_filename) spec.labelsFile = tensor.label_filename;
        return spec;
      });
    }
  }

  /** Without `max_batch_size`, `dims` is the whole shape; with it, a batch axis of any size comes before it. */
  #tensor(tensor: NonNullable<TritonModelConfig['output']>[number], at: string, batched: boolean): TensorSpecConfig {
    if (!tensor.name) throw this.#error(at, `${at} has no name`);
    const spec: TensorSpecConfig = { name: tensor.name };
    const datatype = this.#datatype(tensor.data_type);
    if (datatype !== undefined) spec.datatype = datatype;
    if (tensor.dims !== undefined) {
      for (const dimension of tensor.dims) if (dimension < 1 && dimension !== -1) throw this.#error(`${at}.dims`, `${at}: dimension must be integer >= 1, or -1 to indicate a variable-size dimension`);
      spec.shape = batched ? [-1, ...tensor.dims] : tensor.dims;
      if (batched) spec.batchAxis = 0;
    }
    if (tensor.reshape !== undefined) {
      const shape = tensor.reshape.shape ?? [];
      if (shape.some((dimension) => dimension < 1 && dimension !== -1)) throw this.#error(`${at}.reshape`, `${at}: reshape dimensions must be integer >= 1, or -1 to indicate a variable-size dimension`);
      if (!sameElementCounts(tensor.dims ?? [], shape)) throw this.#error(`${at}.reshape`, `${at} '${tensor.name}' has different size for dims and reshape`);
      spec.reshape = shape;
    }
    if (tensor.is_shape_tensor === true) this.#warn(`${at}.is_shape_tensor`, 'shape tensors exist in TensorRT only');
    if (tensor.is_non_linear_format_io === true) this.#warn(`${at}.is_non_linear_format_io`, 'non-linear formats exist in TensorRT only');
    return spec;
  }

  #datatype(type: string | undefined): Datatype | undefined {
    if (type === undefined || type === 'TYPE_INVALID') return undefined;
    return (type === 'TYPE_STRING' ? 'BYTES' : type.slice('TYPE_'.length)) as Datatype;
  }

  #batching(config: ModelConfig): void {
    const { max_batch_size: maxSize, dynamic_batching: dynamic } = this.#triton;
    if (maxSize !== undefined) {
      if (maxSize < 0) throw this.#error('max_batch_size', `'max_batch_size' must be non-negative value, got ${maxSize}`);
      config.batching = maxSize === 0 ? false : { maxSize };
    }
    if (dynamic === undefined) return;
    if (maxSize === 0) this.#warn('dynamic_batching', 'max_batch_size is 0, so every request runs alone');
    else {
      config.batching = {
        ...config.batching,
        ...(dynamic.preferred_batch_size === undefined ? {} : { preferredSizes: this.#preferredSizes(dynamic.preferred_batch_size, 'dynamic_batching') }),
        ...(dynamic.max_queue_delay_microseconds === undefined ? {} : { maxQueueDelayMs: dynamic.max_queue_delay_microseconds / microsecondsPerMs }),
        ...(dynamic.preserve_ordering === undefined ? {} : { preserveOrder: dynamic.preserve_ordering }),
      };
    }
    const levels = dynamic.priority_levels ?? 0;
    const queue: NonNullable<ModelConfig['queue']> = queuePolicy(dynamic.default_queue_policy);
    if (levels > maximumPriorityLevels) throw this.#error('dynamic_batching.priority_levels', `more than ${maximumPriorityLevels} priority levels`);
    if (levels > 0) {
      const standard = dynamic.default_priority_level ?? 0;
      if (standard < 1 || standard > levels) throw this.#error('dynamic_batching.default_priority_level', `default priority level must be in range [1, ${levels}]`);
      queue.defaultLevel = standard;
      queue.levels = Array.from({ length: levels }, (_, index) => queuePolicy(dynamic.priority_queue_policy?.[String(index + 1)] ?? dynamic.default_queue_policy));
    }
    for (const key of Object.keys(dynamic.priority_queue_policy ?? {})) {
      if (Number(key) < 1 || Number(key) > levels) throw this.#error('dynamic_batching.priority_queue_policy', `priority queue policy for level ${key}, but priority_levels is ${levels}`);
    }
    if (Object.keys(queue).length > 0) config.queue = queue;
  }

  #preferredSizes(sizes: readonly number[], at: string): number[] {
    const most = this.#triton.max_batch_size ?? 0;
    for (const size of sizes) {
      if (size < 1) throw this.#error(at, `dynamic batching preferred size must be positive, got ${size}`);
      if (most > 0 && size > most) throw this.#error(at, `dynamic batching preferred size must be <= max batch size, got ${size} > ${most}`);
    }
    return [...sizes];
  }

  #instances(config: ModelConfig): void {
    const groups = this.#triton.instance_group;
    if (groups === undefined || groups.length === 0) return;
    const instances: NonNullable<ModelConfig['instances']> = {};
    let count = 0;
    groups.forEach((group, index) => {
      const at = `instance_group[${index}]`;
      if ((group.count ?? 0) < 0) throw this.#error(`${at}.count`, `${at}.count is negative`);
      count += group.count || (groups.length > 1 ? 1 : 0);
      if (group.kind === 'KIND_GPU') this.#warn(`${at}.kind`, 'no GPU is used: the instances run on the CPU');
      if (group.gpus?.length) this.#warn(`${at}.gpus`, 'no GPU is used');
      if (group.secondary_devices?.length) this.#warn(`${at}.secondary_devices`, 'there are no secondary devices');
      if (group.profile?.length) this.#warn(`${at}.profile`, 'profiles exist in TensorRT only');
      if (group.passive === true) this.#warn(`${at}.passive`, 'passive instances do not exist: it takes requests');
      if (group.host_policy) this.#warn(`${at}.host_policy`, 'host policies do not exist');
      if (group.rate_limiter === undefined) return;
      if (index > 0) {
        this.#warn(`${at}.rate_limiter`, 'instances of one model share the rate limiter of the first group');
        return;
      }
      if (group.rate_limiter.priority) instances.priority = group.rate_limiter.priority;
      const resources = group.rate_limiter.resources ?? [];
      if (resources.length > 0) instances.resources = Object.fromEntries(resources.map((resource) => [resource.name ?? '', resource.count || 1]));
    });
    if (count > 0) instances.count = count;
    if (Object.keys(instances).length > 0) config.instances = instances;
  }

  #sequences(config: ModelConfig, triton: NonNullable<TritonModelConfig['sequence_batching']>): void {
    const sequences: SequencesConfig = {
      strategy: triton.oldest === undefined ? 'direct' : 'oldest',
      idleTimeoutMs: (triton.max_sequence_idle_microseconds || 1_000_000) / microsecondsPerMs,
      controls: (triton.control_input ?? []).flatMap((input, index) => this.#controls(input, `sequence_batching.control_input[${index}]`)),
      states: (triton.state ?? []).map((state, index) => this.#state(state, `sequence_batching.state[${index}]`)),
    };
    const strategy = triton.oldest ?? triton.direct;
    if (triton.oldest?.max_candidate_sequences) sequences.maxSequences = triton.oldest.max_candidate_sequences;
    if (config.batching !== false) {
      const batching = {
        ...config.batching,
        ...(strategy?.max_queue_delay_microseconds ? { maxQueueDelayMs: strategy.max_queue_delay_microseconds / microsecondsPerMs } : {}),
        ...(triton.oldest?.preferred_batch_size === undefined ? {} : { preferredSizes: this.#preferredSizes(triton.oldest.preferred_batch_size, 'sequence_batching.oldest') }),
        ...(triton.oldest?.preserve_ordering === undefined ? {} : { preserveOrder: triton.oldest.preserve_ordering }),
      };
      if (Object.keys(batching).length > 0) config.batching = batching;
    }
    if (triton.direct?.minimum_slot_utilization) this.#warn('sequence_batching.direct.minimum_slot_utilization', 'a batch runs when its queue delay is over or all slots are taken');
    if (triton.iterative_sequence === true) this.#warn('sequence_batching.iterative_sequence', 'iterative sequences do not exist: every request is answered once');
    config.sequences = sequences;
  }

  #controls(input: NonNullable<NonNullable<TritonModelConfig['sequence_batching']>['control_input']>[number], at: string): SequencesConfig['controls'] {
    if (!input.name) throw this.#error(at, `${at} has no name`);
    const name = input.name;
    return (input.control ?? []).map((control, index) => {
      const kind = ({ CONTROL_SEQUENCE_START: 'start', CONTROL_SEQUENCE_READY: 'ready', CONTROL_SEQUENCE_END: 'end', CONTROL_SEQUENCE_CORRID: 'correlation-id' } as const)[control.kind ?? 'CONTROL_SEQUENCE_START'];
      const pairs = [['INT32', control.int32_false_true], ['FP32', control.fp32_false_true], ['BOOL', control.bool_false_true?.map(Number)]] as const;
      const given = pairs.filter(([, values]) => values !== undefined && values.length > 0);
      const controlAt = `${at}.control[${index}]`;
      if (kind === 'correlation-id') {
        if (given.length > 0) throw this.#error(controlAt, `${controlAt}: sequence batching must not specify false/true values for CONTROL_SEQUENCE_CORRID`);
        const datatype = this.#datatype(control.data_type);
        return { input: name, kind, ...(datatype === undefined ? {} : { datatype }) };
      }
      if (given.length !== 1 || given[0]![1]!.length !== 2) {
        throw this.#error(controlAt, `${controlAt}: sequence batching needs exactly one of int32_false_true, fp32_false_true and bool_false_true, with exactly 2 values`);
      }
      const [datatype, values] = given[0]!;
      return { input: name, kind, datatype, falseTrue: [values![0]!, values![1]!] as [number, number] };
    });
  }

  #state(state: NonNullable<NonNullable<TritonModelConfig['sequence_batching']>['state']>[number], at: string): SequencesConfig['states'][number] {
    if (!state.input_name || !state.output_name) throw this.#error(at, `${at} needs input_name and output_name`);
    const result: SequencesConfig['states'][number] = { input: state.input_name, output: state.output_name };
    const [initial, ...others] = state.initial_state ?? [];
    const datatype = this.#datatype(initial?.data_type) ?? this.#datatype(state.data_type);
    if (datatype !== undefined) result.datatype = datatype;
    const dims = initial?.dims ?? state.dims;
    if (dims !== undefined) result.shape = dims;
    if (initial?.data_file) result.initialFile = `initial_state/${initial.data_file}`;
    if (others.length > 0) this.#warn(`${at}.initial_state`, 'only the first initial state is used');
    if (state.use_same_buffer_for_input_output === true) this.#warn(`${at}.use_same_buffer_for_input_output`, 'input and output state have their own memory');
    if (state.use_growable_memory === true) this.#warn(`${at}.use_growable_memory`, 'memory of a state is allocated anew for each run');
    return result;
  }

  #ensemble(triton: NonNullable<TritonModelConfig['ensemble_scheduling']>): EnsembleConfig {
    const name = this.#triton.name ?? '';
    if (triton.max_inflight_requests) this.#warn('ensemble_scheduling.max_inflight_requests', 'steps hold requests back by their own queues');
    const steps = (triton.step ?? []).map((step, index) => {
      const at = `ensemble_scheduling.step[${index}]`;
      if (!step.model_name) throw this.#error(at, `must specify 'model_name' in step ${index} of ensemble '${name}'`);
      for (const field of ['input_map', 'output_map'] as const) {
        if (Object.keys(step[field] ?? {}).length === 0) throw this.#error(at, `must specify '${field}' in step ${index} of ensemble '${name}'`);
      }
      if (step.model_namespace) this.#warn(`${at}.model_namespace`, 'models have no namespaces');
      const version = step.model_version ?? -1;
      return { model: step.model_name, ...(version >= 1 ? { version: String(version) } : {}), inputs: step.input_map!, outputs: step.output_map! };
    });
    if (steps.length === 0) throw this.#error('ensemble_scheduling', `ensemble '${name}' has no steps`);
    return { steps };
  }

  #warmup(triton: NonNullable<TritonModelConfig['model_warmup']>[number], index: number): WarmupConfig {
    const inputs: WarmupConfig['inputs'] = {};
    for (const [name, input] of Object.entries(triton.inputs ?? {})) {
      const datatype = this.#datatype(input.data_type);
      if (input.dims?.some((dimension) => dimension < 0)) throw this.#error(`model_warmup[${index}]`, `model_warmup[${index}] input '${name}': the dims of warm-up data are fixed`);
      inputs[name] = {
        ...(datatype === undefined ? {} : { datatype }),
        ...(input.dims === undefined ? {} : { shape: input.dims }),
        ...(input.input_data_file ? { file: input.input_data_file } : { fill: input.random_data === true ? ('random' as const) : ('zeros' as const) }),
      };
    }
    return { ...(triton.name ? { name: triton.name } : {}), batchSize: triton.batch_size ?? 0, count: triton.count || 1, inputs };
  }

  #parameters(config: ModelConfig): void {
    const parameters = Object.entries(this.#triton.parameters ?? {});
    if (parameters.length === 0) return;
    config.parameters = Object.fromEntries(parameters.map(([key, parameter]) => [key, parameter.string_value ?? '']));
    // Triton's ONNX Runtime backend takes its threads from this parameter; 0 leaves the choice to the runtime.
    const threads = config.parameters['intra_op_thread_count'];
    if (typeof threads === 'string' && /^[1-9][0-9]{0,2}$/.test(threads)) config.instances = { ...config.instances, threads: Number(threads) };
  }

  #reportUnhonoured(): void {
    const triton = this.#triton;
    if (triton.runtime) this.#warn('runtime', 'the runtime is chosen by the format of the model');
    if (triton.batch_input?.length) this.#warn('batch_input', 'inputs made from the shapes of ragged batches do not exist');
    if (triton.batch_output?.length) this.#warn('batch_output', 'outputs scattered by the shapes of ragged batches do not exist');
    for (const [field, value] of Object.entries(triton.optimization ?? {})) {
      if (value !== false && value !== 0 && value !== 'PRIORITY_DEFAULT') this.#warn(`optimization.${field}`, 'it tunes GPUs or backends that are not used here');
    }
    if (Object.keys(triton.cc_model_filenames ?? {}).length > 0) this.#warn('cc_model_filenames', 'it names models for GPUs');
    if (Object.keys(triton.metric_tags ?? {}).length > 0) this.#warn('metric_tags', 'metrics carry no tags of models');
    if (triton.model_operations?.op_library_filename?.length) this.#warn('model_operations', 'libraries of custom operators are not loaded');
    if (triton.model_repository_agents?.agents?.length) this.#warn('model_repository_agents', 'repository agents are not run: nothing was verified or decrypted');
    if (triton.model_metrics?.metric_control?.length) this.#warn('model_metrics', 'histograms have fixed buckets');
    if (triton.model_transaction_policy?.decoupled === true) {
      this.#warn('model_transaction_policy.decoupled', 'whether a model answers a request several times is taken from the model, not from the config');
    }
  }

  #warn(path: string, reason: string): void {
    this.#warnings.push(`${path} (${this.#locate(path)}) is not honoured: ${reason}`);
  }

  #error(path: string, text: string): ModelportError {
    const at = this.#locate(path);
    return new ModelportError('INVALID_CONFIG', `${text} (${at})`, { at });
  }
}

const maximumPriorityLevels = 1000;

function queuePolicy(triton: NonNullable<TritonModelConfig['dynamic_batching']>['default_queue_policy']): QueuePolicyConfig {
  if (triton === undefined) return {};
  return {
    ...(triton.max_queue_size === undefined ? {} : { maxSize: triton.max_queue_size }),
    ...(triton.default_timeout_microseconds === undefined ? {} : { defaultTimeoutMs: triton.default_timeout_microseconds / microsecondsPerMs }),
    ...(triton.timeout_action === undefined ? {} : { timeoutAction: triton.timeout_action === 'DELAY' ? ('delay' as const) : ('reject' as const) }),
    // Where Triton has a policy that does not say so, timeouts of requests do not count; ours count by default.
    allowTimeoutOverride: triton.allow_timeout_override ?? false,
  };
}

/** Equal products between dimensions of any size, which stay where they are: [2, 4, -1, 6] fits [8, -1, 1, 6]. */
function sameElementCounts(dims: readonly number[], reshape: readonly number[]): boolean {
  const products = (shape: readonly number[]) => {
    const parts = [1];
    for (const dimension of shape) {
      if (dimension === -1) parts.push(1);
      else parts[parts.length - 1]! *= dimension;
    }
    return parts.join();
  };
  return products(dims) === products(reshape);
}
