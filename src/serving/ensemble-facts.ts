/** What is known of an ensemble from the models that it is made of: its graph is its steps. */
import { ModelportError } from '../errors.ts';
import type { ModelConfig } from '../model-config.ts';
import type { BatchFacts, Signature, TensorSpec } from '../model.ts';
import type { ModelFacts } from './explain-config.ts';
import type { ConfigReading } from './model-config-file.ts';

/**
 * Inputs are the tensors that steps take and none makes; outputs those that steps make and none takes, and whatever else
 * the config lists. `signatureOf` gives the signature of a step's model. Throws `INVALID_CONFIG` where steps do not fit.
 */
export function ensembleFacts(name: string, reading: ConfigReading, signatureOf: (model: string, version: string | undefined) => Signature): ModelFacts {
  const { config } = reading;
  const fail = (path: string, message: string): ModelportError => {
    const at = reading.locate(path);
    return new ModelportError('INVALID_CONFIG', `ensemble '${name}': ${message} (${at})`, { at });
  };
  const taken = new Map<string, TensorSpec>();
  const made = new Map<string, TensorSpec>();
  const batches: { readonly model: string; readonly batch: BatchFacts }[] = [];
  config.ensemble!.steps.forEach((step, index) => {
    const at = `ensemble.steps[${index}]`;
    const signature = signatureOf(step.model, step.version);
    batches.push({ model: step.model, batch: signature.batch });
    for (const [input, tensor] of Object.entries(step.inputs)) {
      const spec = find(signature.inputs, input);
      if (spec === undefined) throw fail(`${at}.inputs`, `model '${step.model}' has no input '${input}'; it has ${quoted(signature.inputs)}`);
      const other = taken.get(tensor) ?? made.get(tensor);
      if (other !== undefined && other.datatype !== spec.datatype) throw fail(`${at}.inputs`, `tensor '${tensor}' is ${other.datatype}, but input '${input}' of model '${step.model}' is ${spec.datatype}`);
      if (!taken.has(tensor)) taken.set(tensor, spec);
    }
    const missing = signature.inputs.find((input) => input.optional !== true && !Object.hasOwn(step.inputs, input.name));
    if (missing !== undefined) throw fail(`${at}.inputs`, `step ${index} leaves out input '${missing.name}' of model '${step.model}'`);
    for (const [output, tensor] of Object.entries(step.outputs)) {
      const spec = find(signature.outputs, output);
      if (spec === undefined) throw fail(`${at}.outputs`, `model '${step.model}' has no output '${output}'; it has ${quoted(signature.outputs)}`);
      if (made.has(tensor)) throw fail(`${at}.outputs`, `tensor '${tensor}' is made by two steps`);
      const other = taken.get(tensor);
      if (other !== undefined && other.datatype !== spec.datatype) throw fail(`${at}.outputs`, `tensor '${tensor}' is ${other.datatype}, but output '${output}' of model '${step.model}' is ${spec.datatype}`);
      made.set(tensor, spec);
    }
  });
  const inputs = [...taken].filter(([tensor]) => !made.has(tensor));
  const listed = new Set(config.outputs?.map((output) => output.name));
  const outputs = [...made].filter(([tensor]) => (listed.size > 0 ? listed.has(tensor) : !taken.has(tensor)));
  const batch = batchOf(batches, config, fail);
  const named = ([tensor, { batchAxis, ...spec }]: [string, TensorSpec]): TensorSpec => ({
    ...spec,
    name: tensor,
    ...(batch.maxSize === 0 || batchAxis === undefined ? {} : { batchAxis }),
  });
  return { signature: { inputs: inputs.map(named), outputs: outputs.map(named), batch }, source: 'the models of its steps', sizesMayBeOpen: true };
}

function batchOf(steps: readonly { readonly model: string; readonly batch: BatchFacts }[], config: ModelConfig, fail: (path: string, message: string) => ModelportError): BatchFacts {
  const wanted = config.batching === false ? undefined : config.batching?.maxSize;
  const alone = steps.find(({ batch }) => batch.maxSize === 0);
  if (alone !== undefined) {
    if (wanted !== undefined && wanted > 1) throw fail('batching.maxSize', `it allows batches of ${wanted}, but its step '${alone.model}' ${alone.batch.reason}`);
    return { maxSize: 0, reason: `cannot batch: its step '${alone.model}' ${alone.batch.reason}` };
  }
  const smallest = steps.reduce((least, step) => (step.batch.maxSize < least.batch.maxSize ? step : least));
  if (wanted !== undefined && wanted > smallest.batch.maxSize) {
    throw fail('batching.maxSize', `it allows maximum batch size ${wanted}, but its step with model '${smallest.model}' only allows ${smallest.batch.maxSize}`);
  }
  return { maxSize: smallest.batch.maxSize, reason: `can batch: all its steps can, '${smallest.model}' up to ${smallest.batch.maxSize} rows` };
}

function find(specs: readonly TensorSpec[], name: string): TensorSpec | undefined {
  return specs.find((spec) => spec.name === name);
}

function quoted(specs: readonly TensorSpec[]): string {
  return specs.map((spec) => `'${spec.name}'`).join(', ');
}
