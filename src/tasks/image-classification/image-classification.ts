/** A picture → its most probable classes. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { JsonSchema, Model } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { classEvidence, classLabels } from '../classification/class-labels.ts';
import { classCount, findScoresOutput, mayHoldScores } from '../classification/scores-output.ts';
import { largest, numbers, shortest, toProbabilities } from '../classification/scores.ts';
import { imageExamples } from '../image/image-examples.ts';
import { imageShape, planImageInput } from '../image/image-input.ts';
import { imageTensor } from '../image/image-tensor.ts';
import { warmImageThreads } from '../image/image-threads.ts';
import { imageBytes, imageSchema } from '../image/image-value.ts';
import { readCount, readFields } from '../request/read-fields.ts';
import { withPredict } from '../request/with-predict.ts';
import { options, type Options } from './options.ts';

export const imageClassification: Task<Options> = { name: 'image-classification', options, detect, lift };

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const inputs = signature.inputs.filter((input) => input.optional !== true);
  const input = inputs[0];
  const output = signature.outputs[0];
  if (input === undefined || inputs.length !== 1 || output === undefined || signature.outputs.length !== 1) return undefined;
  const shape = imageShape(input);
  const evidence = mayHoldScores(output) && output.shape.length === 2 ? classEvidence(output, artifact) : undefined;
  if (shape === undefined || evidence === undefined) return undefined;
  try {
    // A model for pictures of any size is only evident with a preprocessor_config.json that says which.
    planImageInput(signature, {}, artifact);
  } catch {
    return undefined;
  }
  return { options: {}, reason: `input '${input.name}' is a picture (${shape.layout}, ${shape.channels === 1 ? 'grey' : 'three channels'}) and ${evidence}` };
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature, infer } = model;
  if (infer === undefined) throw new ModelportError('INVALID_CONFIG', 'image-classification needs a model that takes tensors', { at: 'task' });
  const { output: outputName, topK, labels: givenLabels, softmax = 'auto', ...imageOptions } = given;
  const { spec, plan } = planImageInput(signature, imageOptions, facts.artifact);
  const output = findScoresOutput(signature, outputName, facts.artifact);
  const labels = classLabels(givenLabels, output, facts.artifact, classCount(output));
  if (labels === undefined) throw new ModelportError('INVALID_CONFIG', `output '${output.name}' does not say how many classes there are: name them with task.labels`, { at: 'task.labels' });
  const defaultTopK = Math.min(topK ?? 5, labels.length);
  const outputs = [output.name];
  warmImageThreads();

  async function classify(value: unknown, call: Call): Promise<unknown> {
    const request = readRequest(value, defaultTopK, labels!.length);
    const { tensor } = await imageTensor(request.bytes, plan, 'image', call);
    const inputs = new Map([[spec.name, tensor]]);
    const response = await model.infer!({ inputs, outputs }, call);
    const scores = response.outputs.get(output.name)!;
    const probabilities = toProbabilities(numbers(scores, 0, scores.data.length), softmax);
    if (probabilities.length !== labels!.length) {
      throw new ModelportError('RUN_FAILED', `output '${output.name}' has ${probabilities.length} scores, but there are ${labels!.length} labels`);
    }
    const best = largest(probabilities, request.topK).map((place) => ({ label: labels![place]!, score: shortest(probabilities[place]!) }));
    return { label: best[0]!.label, score: best[0]!.score, labels: best };
  }

  const predict = { task: imageClassification.name, input: inputSchema(plan.drawing !== undefined, defaultTopK, labels.length), output: outputSchema(labels), examples: imageExamples(facts) };
  return withPredict(model, predict, classify);
}

function readRequest(value: unknown, defaultTopK: number, mostTopK: number): { readonly bytes: Uint8Array; readonly topK: number } {
  const fields = readFields(value, ['image', 'topK'], 'image');
  return { topK: readCount(fields, 'topK', defaultTopK, 1, mostTopK), bytes: imageBytes(fields['image'], 'image') };
}

function inputSchema(drawn: boolean, topK: number, classes: number): JsonSchema {
  return {
    type: 'object',
    properties: {
      image: drawn ? imageSchema('Drawing', 'draw') : imageSchema(),
      topK: {
        type: 'integer',
        title: 'Classes to list',
        minimum: 1,
        maximum: classes,
        default: topK,
        'x-modelport': { advanced: true },
      },
    },
    required: ['image'],
    additionalProperties: false,
  };
}

function outputSchema(labels: readonly string[]): JsonSchema {
  // A thousand names would drown a reader of the schema.
  const label = { type: 'string', ...(labels.length <= 100 ? { enum: [...new Set(labels)] } : {}) };
  const score = { type: 'number', minimum: 0, maximum: 1 };
  return {
    type: 'object',
    properties: {
      label: { ...label, description: 'The most probable class.' },
      score: { ...score, description: 'Its probability.' },
      labels: {
        type: 'array',
        description: 'The most probable classes, the best first.',
        items: { type: 'object', properties: { label, score }, required: ['label', 'score'], additionalProperties: false },
        'x-modelport': { widget: 'labels' },
      },
    },
    required: ['label', 'score', 'labels'],
    additionalProperties: false,
  };
}
