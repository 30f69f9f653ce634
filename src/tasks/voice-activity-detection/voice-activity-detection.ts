/**
 * A recording → when somebody speaks: a probability for every chunk, and stretches of speech. A stream is heard piece by piece:
 * pieces of one `stream` go on where the one before ended.
 */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { JsonSchema, Model, Signature, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { datatypes } from '../../tensor.ts';
import type { AudioElements, AudioPlan } from '../audio/audio-plan.ts';
import { audioElements } from '../audio/audio-threads.ts';
import { audioBytes, audioExamples, audioSchema } from '../audio/audio-value.ts';
import { shortest } from '../classification/scores.ts';
import { readFields, readNumber, shown } from '../request/read-fields.ts';
import { withPredict } from '../request/with-predict.ts';
import { Listener, type ListenerPlan } from './listener.ts';
import { options, type Options } from './options.ts';
import { speechSegments } from './speech-segments.ts';

export const voiceActivityDetection: Task<Options> = { name: 'voice-activity-detection', options, detect, lift };

/** Streams that are heard at once, and how long one is kept without a piece. */
const mostStreams = 1000;
const idleMs = 60_000;

function detect({ signature }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  // Silero's tensors: samples, the number of them a second, a probability, and a state where no sequences carry it.
  const names = new Set(signature.inputs.map((input) => input.name));
  if (!names.has('input') || !names.has('sr') || !signature.outputs.some((output) => output.name === 'output')) return undefined;
  try {
    planListener(signature, {});
  } catch {
    return undefined;
  }
  return { options: {}, reason: "its inputs 'input' and 'sr' are samples and their number a second, as Silero's models have them" };
}

function planListener(signature: Signature, given: Options): ListenerPlan {
  const named = (role: 'inputs' | 'outputs', name: string | undefined, option: string): TensorSpec | undefined => {
    const found = signature[role].find((spec) => spec.name === name);
    if (name !== undefined && found === undefined) throw new ModelportError('INVALID_CONFIG', `task.${option} is '${name}', but the model has no such ${role.slice(0, -1)}${suggestName(name, signature[role].map((spec) => spec.name))}`, { at: `task.${option}` });
    return found;
  };
  const isFloat = (spec: TensorSpec): boolean => datatypes[spec.datatype].kind === 'float';
  const states = given.states?.map(({ input, output }) => ({ input, output, spec: named('inputs', input, 'states')!, target: named('outputs', output, 'states') })) ?? evidentStates(signature);
  const free = signature.inputs.filter((input) => isFloat(input) && !states.some((state) => state.input === input.name));
  const input = named('inputs', given.input, 'input') ?? (free.length === 1 ? free[0] : undefined);
  if (input === undefined || input.datatype !== 'FP32' || input.shape.length > 2) throw new ModelportError('INVALID_CONFIG', `which input takes the samples, FP32 [batch, samples], is not evident: say task.input and task.states`, { at: 'task.input' });
  const integers = signature.inputs.filter((spec) => spec.datatype === 'INT64' || spec.datatype === 'INT32');
  const rateInput = named('inputs', given.sampleRateInput, 'sampleRateInput') ?? (integers.length === 1 ? integers[0] : undefined);
  const fed = new Set([input.name, rateInput?.name, ...states.map((state) => state.input)]);
  const unfed = signature.inputs.find((spec) => spec.optional !== true && !fed.has(spec.name));
  if (unfed !== undefined) throw new ModelportError('INVALID_CONFIG', `there is no telling what goes into input '${unfed.name}': say task.states or task.sampleRateInput`, { at: 'task' });
  const output = named('outputs', given.output, 'output') ?? signature.outputs.find((spec) => isFloat(spec) && !states.some((state) => state.output === spec.name));
  if (output === undefined) throw new ModelportError('INVALID_CONFIG', 'no output is a probability: say task.output', { at: 'task.output' });
  return { input, rateInput, output, states, sampleRate: given.sampleRate ?? 16_000, chunkSize: given.chunkSize ?? 512, contextSize: given.contextSize ?? 64 };
}

/** `state` and `stateN`, `h` and `hn`, `c` and `cn`. */
function evidentStates(signature: Signature): ListenerPlan['states'] {
  return signature.inputs.flatMap((spec) => {
    const output = signature.outputs.find((candidate) => [`${spec.name}n`, `${spec.name}_out`, `${spec.name}out`].includes(candidate.name.toLowerCase()));
    return output === undefined || output.datatype !== spec.datatype ? [] : [{ input: spec.name, output: output.name, spec }];
  });
}

interface Stream {
  readonly listener: Listener;
  /** Pieces wait for the ones before. */
  tail: Promise<unknown>;
  timer: NodeJS.Timeout | undefined;
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'voice-activity-detection needs a model that takes tensors', { at: 'task' });
  const plan = planListener(model.signature, given);
  const { threshold = 0.5, minSpeechMs = 250, minSilenceMs = 100, maxSeconds = 600 } = given;
  const stepSeconds = plan.chunkSize / plan.sampleRate;
  const audio: AudioPlan = { features: 'waveform', sampleRate: plan.sampleRate, normalize: false, bands: 0, frames: 0, mean: 0, std: 1, window: 0, hop: 0, maxSeconds };
  const streams = new Map<string, Stream>();

  async function listen(value: unknown, call: Call): Promise<unknown> {
    const fields = readFields(value, ['audio', 'threshold', 'stream', 'end'], 'audio');
    const least = readNumber(fields, 'threshold', threshold, 0, 1);
    const { name, end } = readStream(fields);
    const bytes = audioBytes(fields['audio'], 'audio');
    if (name === undefined) return answerOf(await new Listener(model, plan).hear((await audioElements(bytes, audio, 'audio', call)).elements, true, call), 0, least);
    // The place in the stream is that of the request: a later piece may be decoded earlier.
    const stream = streamOf(name);
    const decoded = audioElements(bytes, audio, 'audio', call);
    decoded.catch(() => {});
    const heard = stream.tail.then(() => hearPiece(name, stream.listener, decoded, end, least, call));
    stream.tail = heard.catch(() => {});
    return heard;
  }

  async function hearPiece(name: string, listener: Listener, decoded: Promise<AudioElements>, end: boolean, least: number, call: Call): Promise<unknown> {
    const { elements } = await decoded;
    try {
      const before = listener.chunks;
      const answer = answerOf(await listener.hear(elements, end, call), before, least);
      if (end) forget(name);
      return answer;
    } catch (error) {
      forget(name);
      throw error;
    }
  }

  function streamOf(name: string): Stream {
    let stream = streams.get(name);
    if (stream === undefined) {
      if (streams.size >= mostStreams) throw new ModelportError('QUEUE_FULL', `${mostStreams} streams are heard already: end one with "end": true`, { retryAfterSeconds: 1 });
      streams.set(name, (stream = { listener: new Listener(model, plan), tail: Promise.resolve(), timer: undefined }));
    }
    clearTimeout(stream.timer);
    stream.timer = setTimeout(() => forget(name), idleMs).unref();
    return stream;
  }

  function forget(name: string): void {
    const stream = streams.get(name);
    if (stream === undefined) return;
    streams.delete(name);
    clearTimeout(stream.timer);
    stream.listener.close();
  }

  function answerOf(heard: readonly number[], chunksBefore: number, least: number): unknown {
    const probabilities = heard.map(shortest);
    const speaking = probabilities.filter((probability) => probability >= least).length;
    const offset = chunksBefore * stepSeconds;
    const segments = speechSegments(heard, { threshold: least, stepSeconds, minSpeechMs, minSilenceMs });
    return {
      speech: speaking > 0,
      share: probabilities.length === 0 ? 0 : shortest(speaking / probabilities.length),
      segments: segments.map(({ start, end }) => ({ start: milliseconds(start + offset), end: milliseconds(end + offset) })),
      timeline: { start: milliseconds(offset), step: stepSeconds, values: probabilities },
    };
  }

  const predict = { task: voiceActivityDetection.name, input: inputSchema(plan.sampleRate, threshold), output: outputSchema(), examples: audioExamples(facts) };
  return withPredict(model, predict, listen, async () => {
    await Promise.all([...streams.values()].map((stream) => stream.tail));
    for (const name of streams.keys()) forget(name);
  });
}

function milliseconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function readStream({ stream, end }: Readonly<Record<string, unknown>>): { readonly name: string | undefined; readonly end: boolean } {
  if (stream !== undefined && (typeof stream !== 'string' || stream === '' || stream.length > 200)) throw new ModelportError('INVALID_VALUE', `stream is ${shown(stream)}: write a name of 1 to 200 characters`, { at: 'stream' });
  const ends = end === 'true' ? true : end === 'false' || end === undefined ? false : end;
  if (typeof ends !== 'boolean') throw new ModelportError('INVALID_VALUE', `end is ${shown(end)}: write true or false`, { at: 'end' });
  return { name: stream, end: ends };
}

function inputSchema(sampleRate: number, threshold: number): JsonSchema {
  return {
    type: 'object',
    properties: {
      audio: audioSchema(sampleRate),
      threshold: { type: 'number', title: 'Least probability', minimum: 0, maximum: 1, default: threshold, 'x-modelport': { advanced: true } },
      stream: { type: 'string', title: 'Stream', minLength: 1, maxLength: 200, description: 'A name: the recording is the next piece of the stream of this name, and what was heard before counts. Pieces should not need another sample rate.', 'x-modelport': { advanced: true, role: 'stream' } },
      end: { type: 'boolean', title: 'Last piece', default: false, description: 'Of the stream.', 'x-modelport': { advanced: true, role: 'stream-end' } },
    },
    required: ['audio'],
    additionalProperties: false,
  };
}

function outputSchema(): JsonSchema {
  const share = { type: 'number', minimum: 0, maximum: 1 };
  const seconds = { type: 'number', minimum: 0 };
  return {
    type: 'object',
    properties: {
      speech: { type: 'boolean', description: 'Whether somebody speaks at all.' },
      share: { ...share, description: 'The share of the time in which somebody speaks.' },
      segments: {
        type: 'array',
        description: 'When somebody speaks, in seconds; of a stream since its beginning.',
        items: { type: 'object', properties: { start: seconds, end: seconds }, required: ['start', 'end'], additionalProperties: false },
      },
      timeline: {
        type: 'object',
        description: 'How probably somebody speaks, from `start` on every `step` seconds.',
        properties: { start: seconds, step: seconds, values: { type: 'array', items: share } },
        required: ['start', 'step', 'values'],
        additionalProperties: false,
        'x-modelport': { widget: 'timeline', audio: 'audio', segments: 'segments' },
      },
    },
    required: ['speech', 'share', 'segments', 'timeline'],
    additionalProperties: false,
  };
}
