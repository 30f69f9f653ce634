/** A picture and captions → how probably each caption is the picture's: CLIP and its kin, as one model or as two. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { JsonSchema, Model, Signature, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import type { Tensor } from '../../tensor.ts';
import { largest, numbers, shortest, toProbabilities } from '../classification/scores.ts';
import { imageExamples } from '../image/image-examples.ts';
import { planImageInput } from '../image/image-input.ts';
import { imageTensor } from '../image/image-tensor.ts';
import { warmImageThreads } from '../image/image-threads.ts';
import { imageBytes, imageSchema } from '../image/image-value.ts';
import { readJsonFile } from '../request/json-file.ts';
import { readFields, shown } from '../request/read-fields.ts';
import { withPredict } from '../request/with-predict.ts';
import { hasTokenizer, openTokenizer, prepareTokenizer, type TextTokenizer } from '../text/text-tokenizer.ts';
import { captionInputs, captionTensors } from './caption-tensors.ts';
import { options, type Options } from './options.ts';

export const zeroShotImageClassification: Task<Options> = { name: 'zero-shot-image-classification', options, detect, prepare: prepareTokenizer, lift };

const mostLabels = 100;
const usualTemplate = 'This is a photo of {}.';

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const output = signature.outputs.find(({ name }) => name === 'logits_per_image');
  const captions = captionInputs(signature);
  if (output === undefined || captions.length === 0 || captions.length + 1 !== signature.inputs.length || !hasTokenizer(artifact)) return undefined;
  try {
    planImageInput(signature, {}, artifact, { beside: true });
  } catch {
    return undefined;
  }
  return { options: {}, reason: `it takes pictures and captions, and output '${output.name}' has a score for each caption` };
}

function findOutput({ outputs }: Signature, name: string | undefined, usual: string): TensorSpec {
  const names = outputs.map((output) => output.name);
  const found = name === undefined ? (outputs.find((output) => output.name === usual) ?? (outputs.length === 1 ? outputs[0] : undefined)) : outputs.find((output) => output.name === name);
  if (found !== undefined) return found;
  throw new ModelportError('INVALID_CONFIG', name === undefined ? `no output is called '${usual}': say task.output, one of ${names.map((one) => `'${one}'`).join(', ')}` : `task.output is '${name}', but the model has no such output${suggestName(name, names)}`, { at: 'task.output' });
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  const { lookup } = facts;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'zero-shot-image-classification needs a model that takes tensors', { at: 'task' });
  if (given.textModel !== undefined && lookup === undefined) throw new ModelportError('INVALID_CONFIG', 'task.textModel names another model, and here there are none', { at: 'task.textModel' });
  const { spec, plan } = planImageInput(signature, given, facts.artifact, { beside: true });
  const output = findOutput(signature, given.output, given.textModel === undefined ? 'logits_per_image' : 'image_embeds');
  const captions = captionInputs(signature);
  const unfed = signature.inputs.find((input) => input.optional !== true && input !== spec && !captions.includes(input));
  if (unfed !== undefined) throw new ModelportError('INVALID_CONFIG', `there is no telling what goes into input '${unfed.name}'`, { at: 'task' });
  if ((captions.length === 0) !== (given.textModel !== undefined)) {
    throw new ModelportError('INVALID_CONFIG', captions.length === 0 ? 'this model takes no captions: name the model that does with task.textModel' : 'this model takes captions itself: leave out task.textModel', { at: 'task.textModel' });
  }
  const tokenizer = given.textModel === undefined ? openTokenizer(facts.artifact, facts.prepared) : undefined;
  const saved = readJsonFile(facts.artifact, 'config.json')?.['logit_scale_init_value'];
  const logitScale = given.logitScale ?? (typeof saved === 'number' ? Math.exp(saved) : 100);
  const template = given.template ?? usualTemplate;
  const activation = given.activation ?? 'softmax';
  let opened: { readonly directory: string; readonly tokenizer: TextTokenizer } | undefined;
  warmImageThreads();

  async function classify(value: unknown, call: Call): Promise<unknown> {
    const fields = readFields(value, ['image', 'labels', 'template'], 'image');
    const labels = readLabels(fields['labels'] ?? given.labels);
    const pattern = readTemplate(fields['template'], template);
    const texts = labels.map((label) => pattern.replaceAll('{}', () => label));
    const bytes = imageBytes(fields['image'], 'image');
    const { tensor } = await imageTensor(bytes, plan, 'image', call);
    const scores = tokenizer === undefined ? await scoresOfTowers(tensor, texts, call) : await scoresOfOne(tensor, texts, tokenizer, call);
    if (scores.length !== labels.length) throw new ModelportError('RUN_FAILED', `output '${output.name}' has ${scores.length} scores, but there are ${labels.length} captions`);
    const odd = scores.find((score) => !Number.isFinite(score));
    if (odd !== undefined) throw new ModelportError('RUN_FAILED', `the model answered a score that is ${odd}: its weights are damaged, or the picture lies outside of what it can compute`);
    const probabilities = activation === 'sigmoid' ? scores.map((score) => 1 / (1 + Math.exp(-score))) : labels.length === 1 ? Float64Array.of(1) : toProbabilities(scores, true);
    const best = largest(probabilities, labels.length).map((place) => ({ label: labels[place]!, score: shortest(probabilities[place]!) }));
    return { label: best[0]!.label, score: best[0]!.score, labels: best };
  }

  async function scoresOfOne(picture: Tensor, texts: readonly string[], own: TextTokenizer, call: Call): Promise<Float64Array> {
    const inputs = await captionTensors(texts, captions, own, call);
    inputs.set(spec.name, picture);
    const { outputs } = await model.infer!({ inputs, outputs: [output.name] }, call);
    const tensor = outputs.get(output.name)!;
    return numbers(tensor, 0, tensor.data.length);
  }

  async function scoresOfTowers(picture: Tensor, texts: readonly string[], call: Call): Promise<Float64Array> {
    const name = given.textModel!;
    let other;
    try {
      other = lookup!(name);
    } catch (cause) {
      throw new ModelportError('UNAVAILABLE', `task.textModel is '${name}', which can not be used: ${cause instanceof Error ? cause.message : String(cause)}`, { cause, retryAfterSeconds: 1 });
    }
    const specs = captionInputs(other.model.signature);
    if (other.model.infer === undefined || specs.length === 0) throw new ModelportError('RUN_FAILED', `task.textModel is '${name}', which takes no captions (input_ids)`);
    const { directory } = other.artifact;
    const text = opened?.directory === directory ? opened : { directory, tokenizer: openTokenizer(other.artifact, await prepareTokenizer(other)) };
    opened = text;
    const vector = findOutput(other.model.signature, undefined, 'text_embeds');
    const textInputs = await captionTensors(texts, specs, text.tokenizer, call);
    const [seen, read] = await Promise.all([
      model.infer!({ inputs: new Map([[spec.name, picture]]), outputs: [output.name] }, call),
      other.model.infer({ inputs: textInputs, outputs: [vector.name] }, call.child({ name })),
    ]);
    const image = unit(elements(seen.outputs.get(output.name)!));
    const all = elements(read.outputs.get(vector.name)!);
    if (all.length !== image.length * texts.length) throw new ModelportError('RUN_FAILED', `the vector of the picture has ${image.length} numbers and those of ${texts.length} captions have ${all.length}: the models do not belong together`);
    return Float64Array.from(texts, (_, row) => {
      const text = unit(all.subarray(row * image.length, (row + 1) * image.length));
      return logitScale * image.reduce((sum, one, place) => sum + one * text[place]!, 0);
    });
  }

  return withPredict(model, { task: zeroShotImageClassification.name, input: inputSchema(template, given.labels), output: outputSchema(), examples: imageExamples(facts) }, classify);
}

function elements(tensor: Tensor): Float64Array {
  return numbers(tensor, 0, tensor.data.length);
}

function unit(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, one) => sum + one * one, 0));
  return length === 0 ? vector : vector.map((one) => one / length);
}

/** A list, or text with commas between the labels, as forms send it. */
function readLabels(value: unknown): readonly string[] {
  const labels = typeof value === 'string' ? value.split(',').map((label) => label.trim()).filter((label) => label !== '') : value;
  if (labels === undefined) throw new ModelportError('INVALID_VALUE', 'labels is missing: write what the picture may show, e.g. ["a cat", "a dog"]', { at: 'labels' });
  if (!Array.isArray(labels) || labels.length === 0 || labels.length > mostLabels) throw new ModelportError('INVALID_VALUE', `labels is ${shown(value)}: write a list of 1 to ${mostLabels} labels`, { at: 'labels' });
  for (const [index, label] of (labels as unknown[]).entries()) {
    if (typeof label !== 'string' || label.trim() === '') throw new ModelportError('INVALID_VALUE', `labels[${index}] is ${shown(label)}: write text`, { at: `labels[${index}]` });
  }
  return labels as string[];
}

function readTemplate(value: unknown, fallback: string): string {
  if (value === undefined) return fallback;
  if (typeof value === 'string' && value.includes('{}') && value.length <= 1000) return value;
  throw new ModelportError('INVALID_VALUE', `template is ${shown(value)}: write text with {} where the label goes`, { at: 'template' });
}

function inputSchema(template: string, labels: readonly string[] | undefined): JsonSchema {
  return {
    type: 'object',
    properties: {
      image: imageSchema(),
      labels: { type: 'array', title: 'Labels', items: { type: 'string', minLength: 1 }, minItems: 1, maxItems: mostLabels, description: 'What the picture may show.', ...(labels === undefined ? {} : { default: labels }), 'x-modelport': { widget: 'tags' } },
      template: { type: 'string', title: 'Caption', default: template, description: 'Into what a label is put, at {}.', 'x-modelport': { widget: 'text', advanced: true } },
    },
    required: labels === undefined ? ['image', 'labels'] : ['image'],
    additionalProperties: false,
  };
}

function outputSchema(): JsonSchema {
  const label = { type: 'string' };
  const score = { type: 'number', minimum: 0, maximum: 1 };
  return {
    type: 'object',
    properties: {
      label: { ...label, description: 'The label that fits best.' },
      score: { ...score, description: 'Its probability.' },
      labels: {
        type: 'array',
        description: 'All labels, the best first.',
        items: { type: 'object', properties: { label, score }, required: ['label', 'score'], additionalProperties: false },
        'x-modelport': { widget: 'labels' },
      },
    },
    required: ['label', 'score', 'labels'],
    additionalProperties: false,
  };
}
