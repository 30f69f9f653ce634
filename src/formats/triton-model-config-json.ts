/** The config in force as Triton's `ModelConfig`, for clients that ask for it. */
import type { ModelConfig, QueuePolicyConfig, SequencesConfig, TensorSpecConfig, WarmupConfig } from '../model-config.ts';
import { wireDimension, type TensorSpec } from '../model.ts';
import type { ServedModel } from '../repository.ts';
import type { Datatype } from '../tensor.ts';
import { encodeJson } from './protobuf-message.ts';
import { tritonModelConfigType, type TritonModelConfig } from './triton-model-config-schema.ts';

type TritonInput = NonNullable<TritonModelConfig['input']>[number];
type TritonOutput = NonNullable<TritonModelConfig['output']>[number];
type TritonDataType = NonNullable<TritonInput['data_type']>;
type TritonSequences = NonNullable<TritonModelConfig['sequence_batching']>;
type TritonQueuePolicy = NonNullable<NonNullable<TritonModelConfig['dynamic_batching']>['default_queue_policy']>;

/**
 * What `GET /v2/models/{m}/config` and gRPC `ModelConfig` answer: proto-JSON with the names of the .proto file, scalars
 * with their defaults, 64-bit integers as numbers, enums as names.
 */
export function tritonModelConfig(served: Pick<ServedModel, 'name' | 'platform' | 'model' | 'config' | 'artifact'>): Record<string, unknown> {
  const { signature } = served.model;
  const { config } = served.config;
  // Triton knows one kind of batch: a first axis that every tensor has. Anything else is told as a model without one,
  // whose dims are whole shapes: what a client then sends is what the model takes.
  const batched = signature.batch.maxSize > 0 && [...signature.inputs, ...signature.outputs].every((tensor) => tensor.batchAxis === 0);
  const triton: TritonModelConfig = {
    name: served.name,
    platform: served.platform,
    backend: backendOf(served.platform),
    version_policy: versionPolicy(config.versions),
    max_batch_size: batched ? signature.batch.maxSize : 0,
    input: signature.inputs.map((spec) => input(spec, batched, config.inputs?.find((tensor) => tensor.name === spec.name))),
    output: signature.outputs.map((spec) => output(spec, batched, config.outputs?.find((tensor) => tensor.name === spec.name))),
  };
  if (config.ensemble !== undefined) {
    triton.ensemble_scheduling = {
      step: config.ensemble.steps.map((step) => ({
        model_name: step.model,
        model_version: step.version === undefined ? -1 : Number(step.version),
        input_map: step.inputs,
        output_map: step.outputs,
      })),
    };
  } else {
    if (config.sequences !== undefined) triton.sequence_batching = sequenceBatching(config.sequences, config.batching);
    else if (batched) triton.dynamic_batching = dynamicBatching(config);
    triton.instance_group = [instanceGroup(served.name, config.instances ?? {})];
    triton.default_model_filename = served.artifact.main.split('/').at(-1)!;
  }
  if (config.parameters !== undefined) {
    triton.parameters = Object.fromEntries(Object.entries(config.parameters).map(([key, value]) => [key, { string_value: String(value) }]));
  }
  if (config.warmup !== undefined) triton.model_warmup = config.warmup.map(warmup);
  if (config.cache === true) triton.response_cache = { enable: true };
  if (served.model.stream !== undefined) triton.model_transaction_policy = { decoupled: true };
  return encodeJson(tritonModelConfigType, triton);
}

function backendOf(platform: string): string {
  if (platform === 'onnxruntime_onnx') return 'onnxruntime';
  return platform === 'ensemble' ? '' : platform;
}

function versionPolicy(versions: ModelConfig['versions']): NonNullable<TritonModelConfig['version_policy']> {
  if (versions === 'all') return { all: {} };
  if (Array.isArray(versions)) return { specific: { versions: versions.map(Number) } };
  return { latest: { num_versions: versions?.latest ?? 1 } };
}

function input(spec: TensorSpec, batched: boolean, config: TensorSpecConfig | undefined): TritonInput {
  return {
    ...tensor(spec, batched, config),
    ...(config?.layout === undefined ? {} : { format: config.layout === 'NHWC' ? ('FORMAT_NHWC' as const) : ('FORMAT_NCHW' as const) }),
    ...(spec.optional === true ? { optional: true } : {}),
  };
}

function output(spec: TensorSpec, batched: boolean, config: TensorSpecConfig | undefined): TritonOutput {
  return { ...tensor(spec, batched, config), ...(config?.labelsFile === undefined ? {} : { label_filename: config.labelsFile }) };
}

function tensor(spec: TensorSpec, batched: boolean, config: TensorSpecConfig | undefined) {
  return {
    name: spec.name,
    data_type: dataTypeOf(spec.datatype),
    dims: (batched ? spec.shape.slice(1) : spec.shape).map(wireDimension),
    ...(config?.reshape === undefined ? {} : { reshape: { shape: config.reshape.map(wireDimension) } }),
  };
}

function dataTypeOf(datatype: Datatype): TritonDataType {
  return datatype === 'BYTES' ? 'TYPE_STRING' : `TYPE_${datatype}`;
}

function dynamicBatching(config: ModelConfig): NonNullable<TritonModelConfig['dynamic_batching']> {
  const batching = config.batching || {};
  const { levels, defaultLevel, ...standard } = config.queue ?? {};
  return {
    preferred_batch_size: batching.preferredSizes ?? [],
    max_queue_delay_microseconds: microseconds(batching.maxQueueDelayMs),
    preserve_ordering: batching.preserveOrder ?? false,
    priority_levels: levels?.length ?? 0,
    default_priority_level: levels === undefined ? 0 : (defaultLevel ?? 1),
    ...(Object.keys(standard).length === 0 ? {} : { default_queue_policy: queuePolicy(standard) }),
    ...(levels === undefined ? {} : { priority_queue_policy: Object.fromEntries(levels.map((level, index) => [String(index + 1), queuePolicy(level)])) }),
  };
}

function queuePolicy(policy: QueuePolicyConfig): TritonQueuePolicy {
  return {
    timeout_action: policy.timeoutAction === 'delay' ? 'DELAY' : 'REJECT',
    default_timeout_microseconds: microseconds(policy.defaultTimeoutMs),
    allow_timeout_override: policy.allowTimeoutOverride ?? false,
    max_queue_size: policy.maxSize ?? 0,
  };
}

function sequenceBatching(sequences: SequencesConfig, batching: ModelConfig['batching']): TritonSequences {
  const maxQueueDelay = microseconds((batching || {}).maxQueueDelayMs);
  const strategy = sequences.strategy === 'direct'
    ? { direct: { max_queue_delay_microseconds: maxQueueDelay } }
    : {
        oldest: {
          ...(sequences.maxSequences === undefined ? {} : { max_candidate_sequences: sequences.maxSequences }),
          preferred_batch_size: (batching || {}).preferredSizes ?? [],
          max_queue_delay_microseconds: maxQueueDelay,
          preserve_ordering: (batching || {}).preserveOrder ?? false,
        },
      };
  return {
    ...strategy,
    max_sequence_idle_microseconds: microseconds(sequences.idleTimeoutMs),
    control_input: sequences.controls.map((control) => ({ name: control.input, control: [controlOf(control)] })),
    state: sequences.states.map((state) => ({
      input_name: state.input,
      output_name: state.output,
      ...(state.datatype === undefined ? {} : { data_type: dataTypeOf(state.datatype) }),
      dims: (state.shape ?? []).map(wireDimension),
      ...(state.initialFile === undefined
        ? {}
        : {
            initial_state: [{
              name: 'initial state',
              ...(state.datatype === undefined ? {} : { data_type: dataTypeOf(state.datatype) }),
              dims: (state.shape ?? []).map(wireDimension),
              data_file: state.initialFile.replace(/^initial_state\//, ''),
            }],
          }),
    })),
  };
}

function controlOf(control: SequencesConfig['controls'][number]): NonNullable<NonNullable<TritonSequences['control_input']>[number]['control']>[number] {
  const kind = ({ start: 'CONTROL_SEQUENCE_START', ready: 'CONTROL_SEQUENCE_READY', end: 'CONTROL_SEQUENCE_END', 'correlation-id': 'CONTROL_SEQUENCE_CORRID' } as const)[control.kind];
  if (control.kind === 'correlation-id') return { kind, ...(control.datatype === undefined ? {} : { data_type: dataTypeOf(control.datatype) }) };
  const values = control.falseTrue ?? [0, 1];
  if (control.datatype === 'BOOL') return { kind, bool_false_true: values.map((value) => value !== 0) };
  return control.datatype === 'INT32' ? { kind, int32_false_true: [...values] } : { kind, fp32_false_true: [...values] };
}

function instanceGroup(name: string, instances: NonNullable<ModelConfig['instances']>): NonNullable<TritonModelConfig['instance_group']>[number] {
  const resources = Object.entries(instances.resources ?? {});
  return {
    name,
    kind: 'KIND_CPU',
    count: instances.count ?? 1,
    ...(resources.length === 0 && instances.priority === undefined
      ? {}
      : { rate_limiter: { resources: resources.map(([resource, count]) => ({ name: resource, count })), priority: instances.priority ?? 0 } }),
  };
}

function warmup(config: WarmupConfig): NonNullable<TritonModelConfig['model_warmup']>[number] {
  return {
    name: config.name ?? '',
    batch_size: config.batchSize,
    count: config.count,
    inputs: Object.fromEntries(Object.entries(config.inputs).map(([name, given]) => [name, {
      ...(given.datatype === undefined ? {} : { data_type: dataTypeOf(given.datatype) }),
      dims: given.shape ?? [],
      ...(given.file !== undefined ? { input_data_file: given.file } : given.fill === 'random' ? { random_data: true } : { zero_data: true }),
    }])),
  };
}

function microseconds(milliseconds: number | undefined): number {
  return Math.round((milliseconds ?? 0) * 1000);
}
