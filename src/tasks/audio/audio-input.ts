/** The input of a model that takes recordings, and the plan that brings them into it. */
import { z } from 'zod';
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { Signature, TensorSpec } from '../../model.ts';
import { readJsonFile } from '../request/json-file.ts';
import { audioFeatures, type AudioPlan } from './audio-plan.ts';

export const audioOptionsShape = {
  input: z.string().min(1).optional().describe('The input that takes the recording. Default: the only one.'),
  features: z.enum(audioFeatures).optional().describe("What the input holds. waveform: the samples. kaldi-fbank: Kaldi's log-mel bands [frames, bands]. whisper-log-mel: Whisper's [bands, frames]. Default: from preprocessor_config.json, else by the shape."),
  sampleRate: z.int().min(1000).max(192_000).optional().describe('Samples a second that the model was trained with. Default: from preprocessor_config.json, else 16000.'),
  normalize: z.boolean().optional().describe('Samples are brought to mean 0 and variance 1. Default: do_normalize of preprocessor_config.json, else false.'),
  bands: z.int().min(1).max(1024).optional().describe('Mel bands of a spectrogram. Default: from preprocessor_config.json or the shape.'),
  frames: z.int().min(1).max(100_000).optional().describe('Frames of a spectrogram. Default: from preprocessor_config.json or the shape.'),
  mean: z.number().optional().describe('Of kaldi-fbank: subtracted. Default: from preprocessor_config.json, else 0.'),
  std: z.number().positive().optional().describe('Of kaldi-fbank: divided by twice this. Default: from preprocessor_config.json, else 0.5.'),
  maxSeconds: z.number().positive().max(3600).optional().describe('Longer recordings are refused. Default: 600.'),
} as const;

const audioOptions = z.strictObject(audioOptionsShape);
export type AudioOptions = z.infer<typeof audioOptions>;

const savedConfig = z.looseObject({
  feature_extractor_type: z.string().optional(),
  sampling_rate: z.int().min(1000).optional(),
  do_normalize: z.boolean().optional(),
  num_mel_bins: z.int().min(1).optional(),
  feature_size: z.int().min(1).optional(),
  max_length: z.int().min(1).optional(),
  nb_max_frames: z.int().min(1).optional(),
  n_fft: z.int().min(2).optional(),
  hop_length: z.int().min(1).optional(),
  mean: z.number().optional(),
  std: z.number().optional(),
});

/** As transformers' feature extractors write them; undefined where there is none that is known. */
function readSavedOptions(artifact: Artifact): (AudioOptions & { window?: number; hop?: number }) | undefined {
  const parsed = savedConfig.safeParse(readJsonFile(artifact, 'preprocessor_config.json'));
  if (!parsed.success) return undefined;
  const { feature_extractor_type: type = '', sampling_rate: sampleRate = 16_000, ...config } = parsed.data;
  if (type === 'ASTFeatureExtractor') {
    const normalized = config.do_normalize !== false;
    return { features: 'kaldi-fbank', sampleRate, bands: config.num_mel_bins ?? 128, frames: config.max_length ?? 1024, mean: normalized ? (config.mean ?? -4.2677393) : 0, std: normalized ? (config.std ?? 4.5689974) : 0.5 };
  }
  if (type === 'WhisperFeatureExtractor') return { features: 'whisper-log-mel', sampleRate, bands: config.feature_size ?? 80, frames: config.nb_max_frames ?? 3000, window: config.n_fft ?? 400, hop: config.hop_length ?? 160 };
  if (type === 'Wav2Vec2FeatureExtractor') return { features: 'waveform', sampleRate, normalize: config.do_normalize ?? true };
  return undefined;
}

/** Throws `INVALID_CONFIG` where options and signature do not fit together. */
export function planAudioInput(signature: Signature, given: AudioOptions, artifact: Artifact): { readonly spec: TensorSpec; readonly plan: AudioPlan; readonly saved: boolean } {
  const spec = findInput(signature, given.input);
  const fromFile = readSavedOptions(artifact);
  const options = { ...fromFile, ...given };
  const sizes = spec.shape.slice(1).map((size) => (typeof size === 'number' && size > 0 ? size : undefined));
  const features = options.features ?? (sizes.length === 1 ? 'waveform' : undefined);
  const wrong = (wanted: string): ModelportError => new ModelportError('INVALID_CONFIG', `input '${spec.name}' is ${spec.datatype} [${spec.shape.join(', ')}], but ${wanted}`, { at: 'task.features' });
  if (spec.datatype !== 'FP32') throw wrong('recordings are FP32');
  if (features === undefined) throw wrong('which features it takes is not evident: say task.features');
  if (features === 'waveform' ? sizes.length !== 1 : sizes.length !== 2) throw wrong(features === 'waveform' ? 'a waveform is [batch, samples]' : `${features} has the axes ${features === 'kaldi-fbank' ? '[batch, frames, bands]' : '[batch, bands, frames]'}`);
  const [first, second] = sizes;
  const [frames, bands] = features === 'kaldi-fbank' ? [options.frames ?? first ?? 1024, options.bands ?? second ?? 128] : [options.frames ?? second ?? 3000, options.bands ?? first ?? 80];
  if (features !== 'waveform') {
    const [wantedFrames, wantedBands] = features === 'kaldi-fbank' ? [first, second] : [second, first];
    if ((wantedFrames ?? frames) !== frames || (wantedBands ?? bands) !== bands) throw wrong(`${frames} frames of ${bands} bands are made: see task.frames and task.bands`);
  }
  const plan: AudioPlan = {
    features,
    sampleRate: options.sampleRate ?? 16_000,
    normalize: options.normalize ?? false,
    ...(features === 'waveform' && first !== undefined ? { samples: first } : {}),
    bands,
    frames,
    mean: options.mean ?? 0,
    std: options.std ?? 0.5,
    window: fromFile?.window ?? 400,
    hop: fromFile?.hop ?? 160,
    maxSeconds: options.maxSeconds ?? 600,
  };
  return { spec, plan, saved: fromFile !== undefined };
}

function findInput({ inputs }: Signature, name: string | undefined): TensorSpec {
  const names = inputs.map((input) => input.name);
  const found = name === undefined ? (inputs.filter((input) => input.optional !== true).length === 1 ? inputs.find((input) => input.optional !== true) : undefined) : inputs.find((input) => input.name === name);
  if (found === undefined) throw new ModelportError('INVALID_CONFIG', name === undefined ? `a task on recordings feeds one input, but the model has ${names.length} (${names.join(', ')})` : `task.input is '${name}', but the model has no such input${suggestName(name, names)}`, { at: 'task.input' });
  return found;
}
