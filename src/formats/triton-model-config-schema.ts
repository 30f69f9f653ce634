/**
 * The message types of Triton's model configuration: names, types and order of fields as its published
 * `model_config.proto` has them (order matters: JSON is written in it).
 */
import { enumeration, many, map, message, one, type MessageOf } from './protobuf-message.ts';

export const dataType = enumeration('DataType', {
  TYPE_INVALID: 0, TYPE_BOOL: 1, TYPE_UINT8: 2, TYPE_UINT16: 3, TYPE_UINT32: 4, TYPE_UINT64: 5, TYPE_INT8: 6, TYPE_INT16: 7,
  TYPE_INT32: 8, TYPE_INT64: 9, TYPE_FP16: 10, TYPE_FP32: 11, TYPE_FP64: 12, TYPE_STRING: 13, TYPE_BF16: 14,
});

const tensorReshape = message('ModelTensorReshape', { shape: many('int64') });

const modelInput = message('ModelInput', {
  name: one('string'),
  data_type: one(dataType),
  format: one(enumeration('Format', { FORMAT_NONE: 0, FORMAT_NHWC: 1, FORMAT_NCHW: 2 })),
  dims: many('int64'),
  reshape: one(tensorReshape),
  is_shape_tensor: one('bool'),
  allow_ragged_batch: one('bool'),
  optional: one('bool'),
  is_non_linear_format_io: one('bool'),
});

const modelOutput = message('ModelOutput', {
  name: one('string'),
  data_type: one(dataType),
  dims: many('int64'),
  reshape: one(tensorReshape),
  label_filename: one('string'),
  is_shape_tensor: one('bool'),
  is_non_linear_format_io: one('bool'),
});

const batchInput = message('BatchInput', {
  kind: one(enumeration('BatchInput.Kind', {
    BATCH_ELEMENT_COUNT: 0, BATCH_ACCUMULATED_ELEMENT_COUNT: 1, BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO: 2,
    BATCH_MAX_ELEMENT_COUNT_AS_SHAPE: 3, BATCH_ITEM_SHAPE: 4, BATCH_ITEM_SHAPE_FLATTEN: 5,
  })),
  target_name: many('string'),
  data_type: one(dataType),
  source_input: many('string'),
});

const batchOutput = message('BatchOutput', {
  target_name: many('string'),
  kind: one(enumeration('BatchOutput.Kind', { BATCH_SCATTER_WITH_INPUT_SHAPE: 0 })),
  source_input: many('string'),
});

const versionPolicy = message('ModelVersionPolicy', {
  latest: one(message('Latest', { num_versions: one('uint32') }), 'policy_choice'),
  all: one(message('All', {}), 'policy_choice'),
  specific: one(message('Specific', { versions: many('int64') }), 'policy_choice'),
});

const graphShape = message('Shape', { dim: many('int64') });
const accelerator = message('Accelerator', { name: one('string'), parameters: map('string', 'string') });
const pinnedMemoryBuffer = message('PinnedMemoryBuffer', { enable: one('bool') });

const optimization = message('ModelOptimizationPolicy', {
  graph: one(message('Graph', { level: one('int32') })),
  priority: one(enumeration('ModelPriority', { PRIORITY_DEFAULT: 0, PRIORITY_MAX: 1, PRIORITY_MIN: 2 })),
  cuda: one(message('Cuda', {
    graphs: one('bool'),
    busy_wait_events: one('bool'),
    graph_spec: many(message('GraphSpec', {
      batch_size: one('int32'),
      input: map('string', graphShape),
      graph_lower_bound: one(message('LowerBound', { batch_size: one('int32'), input: map('string', graphShape) })),
    })),
    output_copy_stream: one('bool'),
  })),
  execution_accelerators: one(message('ExecutionAccelerators', {
    gpu_execution_accelerator: many(accelerator),
    cpu_execution_accelerator: many(accelerator),
  })),
  input_pinned_memory: one(pinnedMemoryBuffer),
  output_pinned_memory: one(pinnedMemoryBuffer),
  gather_kernel_buffer_threshold: one('uint32'),
  eager_batching: one('bool'),
});

const queuePolicy = message('ModelQueuePolicy', {
  timeout_action: one(enumeration('TimeoutAction', { REJECT: 0, DELAY: 1 })),
  default_timeout_microseconds: one('uint64'),
  allow_timeout_override: one('bool'),
  max_queue_size: one('uint32'),
});

const dynamicBatching = message('ModelDynamicBatching', {
  preferred_batch_size: many('int32'),
  max_queue_delay_microseconds: one('uint64'),
  preserve_ordering: one('bool'),
  priority_levels: one('uint64'),
  default_priority_level: one('uint64'),
  default_queue_policy: one(queuePolicy),
  priority_queue_policy: map('uint64', queuePolicy),
});

const control = message('Control', {
  kind: one(enumeration('Control.Kind', {
    CONTROL_SEQUENCE_START: 0, CONTROL_SEQUENCE_READY: 1, CONTROL_SEQUENCE_END: 2, CONTROL_SEQUENCE_CORRID: 3,
  })),
  int32_false_true: many('int32'),
  fp32_false_true: many('float'),
  bool_false_true: many('bool'),
  data_type: one(dataType),
});

const initialState = message('InitialState', {
  data_type: one(dataType),
  dims: many('int64'),
  zero_data: one('bool', 'state_data'),
  data_file: one('string', 'state_data'),
  name: one('string'),
});

const sequenceBatching = message('ModelSequenceBatching', {
  direct: one(message('StrategyDirect', { max_queue_delay_microseconds: one('uint64'), minimum_slot_utilization: one('float') }), 'strategy_choice'),
  oldest: one(message('StrategyOldest', {
    max_candidate_sequences: one('int32'),
    preferred_batch_size: many('int32'),
    max_queue_delay_microseconds: one('uint64'),
    preserve_ordering: one('bool'),
  }), 'strategy_choice'),
  max_sequence_idle_microseconds: one('uint64'),
  control_input: many(message('ControlInput', { name: one('string'), control: many(control) })),
  state: many(message('State', {
    input_name: one('string'),
    output_name: one('string'),
    data_type: one(dataType),
    dims: many('int64'),
    initial_state: many(initialState),
    use_same_buffer_for_input_output: one('bool'),
    use_growable_memory: one('bool'),
  })),
  iterative_sequence: one('bool'),
});

const ensembleScheduling = message('ModelEnsembling', {
  step: many(message('Step', {
    model_name: one('string'),
    model_version: one('int64'),
    input_map: map('string', 'string'),
    output_map: map('string', 'string'),
    model_namespace: one('string'),
  })),
  max_inflight_requests: one('uint32'),
});

const instanceGroup = message('ModelInstanceGroup', {
  name: one('string'),
  kind: one(enumeration('ModelInstanceGroup.Kind', { KIND_AUTO: 0, KIND_GPU: 1, KIND_CPU: 2, KIND_MODEL: 3 })),
  count: one('int32'),
  rate_limiter: one(message('ModelRateLimiter', {
    resources: many(message('Resource', { name: one('string'), global: one('bool'), count: one('uint32') })),
    priority: one('uint32'),
  })),
  gpus: many('int32'),
  secondary_devices: many(message('SecondaryDevice', { kind: one(enumeration('SecondaryDeviceKind', { KIND_NVDLA: 0 })), device_id: one('int64') })),
  profile: many('string'),
  passive: one('bool'),
  host_policy: one('string'),
});

const warmup = message('ModelWarmup', {
  name: one('string'),
  batch_size: one('uint32'),
  inputs: map('string', message('ModelWarmup.Input', {
    data_type: one(dataType),
    dims: many('int64'),
    zero_data: one('bool', 'input_data_type'),
    random_data: one('bool', 'input_data_type'),
    input_data_file: one('string', 'input_data_type'),
  })),
  count: one('uint32'),
});

export const tritonModelConfigType = message('ModelConfig', {
  name: one('string'),
  platform: one('string'),
  backend: one('string'),
  runtime: one('string'),
  version_policy: one(versionPolicy),
  max_batch_size: one('int32'),
  input: many(modelInput),
  output: many(modelOutput),
  batch_input: many(batchInput),
  batch_output: many(batchOutput),
  optimization: one(optimization),
  dynamic_batching: one(dynamicBatching, 'scheduling_choice'),
  sequence_batching: one(sequenceBatching, 'scheduling_choice'),
  ensemble_scheduling: one(ensembleScheduling, 'scheduling_choice'),
  instance_group: many(instanceGroup),
  default_model_filename: one('string'),
  cc_model_filenames: map('string', 'string'),
  metric_tags: map('string', 'string'),
  parameters: map('string', message('ModelParameter', { string_value: one('string') })),
  model_warmup: many(warmup),
  model_operations: one(message('ModelOperations', { op_library_filename: many('string') })),
  model_transaction_policy: one(message('ModelTransactionPolicy', { decoupled: one('bool') })),
  model_repository_agents: one(message('ModelRepositoryAgents', {
    agents: many(message('Agent', { name: one('string'), parameters: map('string', 'string') })),
  })),
  response_cache: one(message('ModelResponseCache', { enable: one('bool') })),
  model_metrics: one(message('ModelMetrics', {
    metric_control: many(message('MetricControl', {
      metric_identifier: one(message('MetricIdentifier', { family: one('string') })),
      histogram_options: one(message('HistogramOptions', { buckets: many('double') }), 'metric_options'),
    })),
  })),
});

export type TritonModelConfig = MessageOf<typeof tritonModelConfigType>;
