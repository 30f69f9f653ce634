/** A recording → its most probable classes. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import type { JsonSchema, Model } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import type { Tensor } from '../../tensor.ts';
import { planAudioInput } from '../audio/audio-input.ts';
import { audioElements } from '../audio/audio-threads.ts';
import { audioBytes, audioExamples, audioSchema } from '../audio/audio-value.ts';
import { classLabels } from '../classification/class-labels.ts';
import { classCount, findScoresOutput } from '../classification/scores-output.ts';
import { largest, numbers, shortest, toProbabilities } from '../classification/scores.ts';
import { readJsonFile } from '../request/json-file.ts';
import { readCount, readFields } from '../request/read-fields.ts';
import { withPredict } from '../request/with-predict.ts';
import { options, type Options } from './options.ts';

export const audioClassification: Task<Options> = { name: 'audio-classification', options, detect, lift };

function detect({ signature, artifact }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  try {
    const { spec, plan, saved } = planAudioInput(signature, {}, artifact);
    // Without the file, rows of numbers are as likely a table.
    if (!saved) return undefined;
    const output = findScoresOutput(signature, undefined, artifact);
    if (output.shape.length !== 2) return undefined;
    return { options: {}, reason: `preprocessor_config.json says that input '${spec.name}' is a recording (${plan.features}, ${plan.sampleRate} Hz), and output '${output.name}' has a score for each class` };
  } catch {
    return undefined;
  }
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'audio-classification needs a model that takes tensors', { at: 'task' });
  const { spec, plan } = planAudioInput(signature, given, facts.artifact);
  const output = findScoresOutput(signature, given.output, facts.artifact);
  const labels = classLabels(given.labels, output, facts.artifact, classCount(output));
  if (labels === undefined) throw new ModelportError('INVALID_CONFIG', `output '${output.name}' does not say how many classes there are: name them with task.labels`, { at: 'task.labels' });
  const multiLabel = readJsonFile(facts.artifact, 'config.json')?.['problem_type'] === 'multi_label_classification';
  const activation = given.activation ?? (multiLabel ? 'sigmoid' : 'auto');
  const defaultTopK = Math.min(given.topK ?? 5, labels.length);

  async function classify(value: unknown, call: Call): Promise<unknown> {
    const fields = readFields(value, ['audio', 'topK'], 'audio');
    const topK = readCount(fields, 'topK', defaultTopK, 1, labels!.length);
    const { elements, shape } = await audioElements(audioBytes(fields['audio'], 'audio'), plan, 'audio', call);
    if (elements.length === 0) throw new ModelportError('INVALID_VALUE', 'audio has no samples: record something first', { at: 'audio' });
    const tensor: Tensor = { datatype: 'FP32', shape: [1, ...shape], data: elements };
    const { outputs } = await model.infer!({ inputs: new Map([[spec.name, tensor]]), outputs: [output.name] }, call);
    const scores = outputs.get(output.name)!;
    const values = numbers(scores, 0, scores.data.length);
    const probabilities = activation === 'sigmoid' ? toProbabilities(values.map((score) => 1 / (1 + Math.exp(-score))), false) : toProbabilities(values, activation === 'auto' ? 'auto' : activation === 'softmax');
    if (probabilities.length !== labels!.length) throw new ModelportError('RUN_FAILED', `output '${output.name}' has ${probabilities.length} scores, but there are ${labels!.length} labels`);
    const best = largest(probabilities, topK).map((place) => ({ label: labels![place]!, score: shortest(probabilities[place]!) }));
    return { label: best[0]!.label, score: best[0]!.score, labels: best };
  }

  return withPredict(model, { task: audioClassification.name, input: inputSchema(plan.sampleRate, defaultTopK, labels.length), output: outputSchema(labels), examples: audioExamples(facts) }, classify);
}

function inputSchema(sampleRate: number, topK: number, classes: number): JsonSchema {
  return {
    type: 'object',
    properties: {
      audio: audioSchema(sampleRate),
      topK: { type: 'integer', title: 'Classes to list', minimum: 1, maximum: classes, default: topK, 'x-modelport': { advanced: true } },
    },
    required: ['audio'],
    additionalProperties: false,
  };
}

function outputSchema(labels: readonly string[]): JsonSchema {
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
