/** The graph of an ensemble, checked against the models of its steps. Pure: a config and signatures in, a plan out. */
import { ModelportError } from '../errors.ts';
import { suggestName } from '../lib/suggest-name.ts';
import type { EnsembleConfig, TensorSpecConfig } from '../model-config.ts';
import type { Dimension, Signature, TensorSpec } from '../model.ts';

/** What the config says about the ensemble's own inputs and outputs; what is left out is inferred from the steps. */
export interface EnsembleTensors {
  readonly inputs?: readonly TensorSpecConfig[] | undefined;
  readonly outputs?: readonly TensorSpecConfig[] | undefined;
}

/** One step as it is run. */
export interface StepPlan {
  /** 0 is the first of the config. */
  readonly index: number;
  readonly model: string;
  readonly version: string | undefined;
  /** Name of the step's input, name of the ensemble's tensor that feeds it. */
  readonly inputs: readonly (readonly [input: string, tensor: string])[];
  readonly outputs: readonly (readonly [output: string, tensor: string])[];
  /** Different tensors that steps make for this one. */
  readonly waitsFor: number;
}

export interface EnsemblePlan {
  readonly signature: Signature;
  readonly steps: readonly StepPlan[];
  /** The step that makes a tensor; the ensemble's inputs are not in it. */
  readonly producers: ReadonlyMap<string, StepPlan>;
  /** The steps that read a tensor. */
  readonly consumers: ReadonlyMap<string, readonly StepPlan[]>;
}

/** A tensor of the graph and who says what it is: `output 'y' of step 1 ('scale')`. */
interface Described {
  readonly spec: TensorSpec;
  readonly by: string;
}

/** `signatureOf` throws where the step's model is unknown. All errors are `INVALID_CONFIG` and name step and tensor. */
export function planEnsemble(name: string, config: EnsembleConfig, tensors: EnsembleTensors, signatureOf: (step: number) => Signature): EnsemblePlan {
  const fail = (at: string, message: string): ModelportError => new ModelportError('INVALID_CONFIG', `ensemble '${name}': ${at}: ${message}`, { at });
  const signatures = config.steps.map((_, index) => signatureOf(index));
  const steps = config.steps.map((step, index): StepPlan => {
    const inputs = Object.entries(step.inputs);
    return {
      index,
      model: step.model,
      version: step.version,
      inputs,
      outputs: Object.entries(step.outputs),
      waitsFor: new Set(inputs.map(([, tensor]) => tensor).filter((tensor) => config.steps.some((other) => Object.values(other.outputs).includes(tensor)))).size,
    };
  });

  const made = new Map<string, Described>();
  const producers = new Map<string, StepPlan>();
  const read = new Map<string, (Described & { readonly step: StepPlan; readonly at: string })[]>();
  for (const step of steps) {
    const signature = signatures[step.index]!;
    const at = `ensemble.steps[${step.index}]`;
    const label = stepLabel(step);
    for (const [input, tensor] of step.inputs) {
      const spec = specNamed(signature.inputs, input, () => fail(`${at}.inputs`, `${label}: model '${step.model}' has no input '${input}'${suggestName(input, names(signature.inputs))}`));
      const readers = read.get(tensor) ?? [];
      readers.push({ spec, by: `input '${input}' of ${label}`, step, at: `${at}.inputs.${input}` });
      read.set(tensor, readers);
    }
    for (const input of signature.inputs) {
      if (input.optional !== true && !step.inputs.some(([given]) => given === input.name)) throw fail(`${at}.inputs`, `${label}: nothing feeds input '${input.name}' of model '${step.model}'`);
    }
    for (const [output, tensor] of step.outputs) {
      const spec = specNamed(signature.outputs, output, () => fail(`${at}.outputs`, `${label}: model '${step.model}' has no output '${output}'${suggestName(output, names(signature.outputs))}`));
      const other = made.get(tensor);
      if (other !== undefined) throw fail(`${at}.outputs.${output}`, `tensor '${tensor}' is made twice: it is ${other.by} already`);
      made.set(tensor, { spec, by: `output '${output}' of ${label}` });
      producers.set(tensor, step);
    }
  }

  const inputs = inputSpecs();
  const outputs = outputSpecs();
  checkTensors();
  checkOrder();
  checkUse();
  const sizes = signatures.map((signature) => signature.batch.maxSize);
  return {
    signature: {
      inputs,
      outputs,
      batch: { maxSize: sizes.includes(0) ? 0 : Math.min(...sizes), reason: 'an ensemble does not join requests itself: its steps do; the smallest of their limits counts' },
    },
    steps,
    producers,
    consumers: new Map([...read].map(([tensor, readers]) => [tensor, [...new Set(readers.map((reader) => reader.step))]])),
  };

  /** Named by the config, or everything that steps read and none makes. */
  function inputSpecs(): TensorSpec[] {
    const unmade = [...read.keys()].filter((tensor) => !made.has(tensor));
    for (const [index, input] of (tensors.inputs ?? []).entries()) {
      const at = `inputs[${index}].name`;
      const producer = made.get(input.name);
      if (producer !== undefined) throw fail(at, `input '${input.name}' is ${producer.by} too: a tensor comes from one place`);
      if (!read.has(input.name)) throw fail(at, `no step reads input '${input.name}'${suggestName(input.name, unmade)}`);
    }
    const known = tensors.inputs?.map((input) => input.name);
    for (const tensor of unmade) {
      const [reader] = read.get(tensor)!;
      if (known?.includes(tensor) === false) throw fail(reader!.at, `tensor '${tensor}' (${reader!.by}) is neither an input of the ensemble nor made by a step${suggestName(tensor, [...known, ...made.keys()])}`);
    }
    return (known ?? unmade).map((tensor, index) => {
      const readers = read.get(tensor)!;
      const optional = readers.every((reader) => reader.spec.optional === true);
      const { optional: _, ...spec } = readers.slice(1).reduce((merged, reader) => agree(merged, reader, reader.at, tensor), readers[0]! as Described).spec;
      return configured({ ...spec, name: tensor, ...(optional ? { optional } : {}) }, tensors.inputs?.[index], `inputs[${index}]`, readers[0]!.by);
    });
  }

  /** Named by the config, or everything that steps make and none reads. */
  function outputSpecs(): TensorSpec[] {
    for (const [index, output] of (tensors.outputs ?? []).entries()) {
      if (!made.has(output.name)) throw fail(`outputs[${index}].name`, `no step makes output '${output.name}'${suggestName(output.name, made.keys())}`);
    }
    const known = tensors.outputs?.map((output) => output.name) ?? [...made.keys()].filter((tensor) => !read.has(tensor));
    if (known.length === 0) throw fail('ensemble.steps', 'every tensor that a step makes is read by a step, so the ensemble has no output');
    return known.map((tensor, index) => {
      const { spec, by } = made.get(tensor)!;
      return configured({ ...spec, name: tensor }, tensors.outputs?.[index], `outputs[${index}]`, by);
    });
  }

  /** The spec that the steps imply, with what the config adds, which may narrow sizes but not contradict. */
  function configured(spec: TensorSpec, written: TensorSpecConfig | undefined, at: string, by: string): TensorSpec {
    if (written === undefined) return spec;
    const { datatype = spec.datatype, shape = spec.shape, batchAxis, labelsFile: _labelsFile, reshape: _reshape, ...facts } = written;
    const merged = agree({ spec, by }, { spec: { ...spec, datatype, shape }, by: 'the config' }, at, spec.name).spec;
    const { batchAxis: inferredAxis, ...rest } = merged;
    const axis = batchAxis === false ? undefined : (batchAxis ?? inferredAxis);
    const given = Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined));
    return { ...rest, ...given, ...(axis === undefined ? {} : { batchAxis: axis }) };
  }

  /** What both say of a tensor: the more definite size of each dimension. */
  function agree(one: Described, other: Described, at: string, tensor: string): Described {
    const conflict = (detail: string): ModelportError => fail(at, `tensor '${tensor}': ${detail}`);
    if (one.spec.datatype !== other.spec.datatype) throw conflict(`${one.by} is ${one.spec.datatype}, but ${other.by} is ${other.spec.datatype}`);
    const shape = one.spec.shape.map((dimension, axis): Dimension => {
      const opposite = other.spec.shape[axis];
      if (opposite === undefined || !compatible(dimension, opposite)) throw shapeConflict();
      return isSize(dimension) ? dimension : isSize(opposite) || dimension === -1 ? opposite : dimension;
    });
    if (shape.length !== other.spec.shape.length) throw shapeConflict();
    return { spec: { ...one.spec, shape }, by: one.by };

    function shapeConflict(): ModelportError {
      return conflict(`${one.by} has shape [${one.spec.shape.join(', ')}], but ${other.by} has [${other.spec.shape.join(', ')}]`);
    }
  }

  function checkTensors(): void {
    for (const [tensor, producer] of made) {
      for (const reader of read.get(tensor) ?? []) agree(producer, reader, reader.at, tensor);
    }
  }

  /** Every step can run once those it waits for have. */
  function checkOrder(): void {
    const runnable = new Set(inputs.map((input) => input.name));
    const left = new Set(steps);
    for (let progress = true; progress; ) {
      progress = false;
      for (const step of left) {
        if (!step.inputs.every(([, tensor]) => runnable.has(tensor))) continue;
        for (const [, tensor] of step.outputs) runnable.add(tensor);
        left.delete(step);
        progress = true;
      }
    }
    if (left.size === 0) return;
    const circle = findCircle(left, producers);
    throw fail(`ensemble.steps[${circle[0]!.step.index}].inputs`, `the steps wait for each other: ${circle.map(({ step, tensor }) => `${stepLabel(step)} needs '${tensor}'`).join(', ')}`);
  }

  /** A step whose outputs lead nowhere would never run. */
  function checkUse(): void {
    const needed = neededSteps(names(outputs), producers);
    for (const step of steps) {
      if (step.outputs.length === 0) throw fail(`ensemble.steps[${step.index}].outputs`, `${stepLabel(step)} gives no tensor to the ensemble`);
      if (!needed.has(step)) throw fail(`ensemble.steps[${step.index}].outputs`, `no output of the ensemble needs ${stepLabel(step)}, which makes ${step.outputs.map(([, tensor]) => `'${tensor}'`).join(', ')}`);
    }
  }
}

/** The steps that these tensors depend on. */
export function neededSteps(tensors: readonly string[], producers: ReadonlyMap<string, StepPlan>): Set<StepPlan> {
  const needed = new Set<StepPlan>();
  const pending = [...tensors];
  while (pending.length > 0) {
    const step = producers.get(pending.pop()!);
    if (step === undefined || needed.has(step)) continue;
    needed.add(step);
    for (const [, tensor] of step.inputs) pending.push(tensor);
  }
  return needed;
}

export function stepLabel(step: { readonly index: number; readonly model: string }): string {
  return `step ${step.index + 1} ('${step.model}')`;
}

/** Follows what is missing from one blocked step to the next, until a step comes again. */
function findCircle(blocked: ReadonlySet<StepPlan>, producers: ReadonlyMap<string, StepPlan>): { readonly step: StepPlan; readonly tensor: string }[] {
  const path: { readonly step: StepPlan; readonly tensor: string }[] = [];
  let step = [...blocked][0]!;
  for (;;) {
    const seen = path.findIndex((visited) => visited.step === step);
    if (seen >= 0) return path.slice(seen);
    const tensor = step.inputs.map(([, candidate]) => candidate).find((candidate) => blocked.has(producers.get(candidate)!))!;
    path.push({ step, tensor });
    step = producers.get(tensor)!;
  }
}

function specNamed(specs: readonly TensorSpec[], name: string, error: () => ModelportError): TensorSpec {
  const spec = specs.find((candidate) => candidate.name === name);
  if (spec === undefined) throw error();
  return spec;
}

function names(specs: readonly TensorSpec[]): string[] {
  return specs.map((spec) => spec.name);
}

function isSize(dimension: Dimension): boolean {
  return typeof dimension === 'number' && dimension >= 0;
}

function compatible(one: Dimension, other: Dimension): boolean {
  return !isSize(one) || !isSize(other) || one === other;
}
