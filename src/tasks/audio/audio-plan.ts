/** How recordings become one input tensor of a model. Plain data: it crosses thread borders. */
import type { Recording } from './recording.ts';
import { kaldiSpectrogram, whisperSpectrogram } from './mel-spectrogram.ts';

export const audioFeatures = ['waveform', 'kaldi-fbank', 'whisper-log-mel'] as const;
export type AudioFeatures = (typeof audioFeatures)[number];

export interface AudioPlan {
  readonly features: AudioFeatures;
  /** Samples a second that the model was trained with. */
  readonly sampleRate: number;
  /** For `waveform`: mean 0 and variance 1. */
  readonly normalize: boolean;
  /** For `waveform`: exactly so many; longer recordings are cut, shorter ones filled up with zeros. Undefined: as many as there are. */
  readonly samples?: number;
  /** For spectrograms. */
  readonly bands: number;
  readonly frames: number;
  readonly mean: number;
  readonly std: number;
  /** For Whisper's, in samples. */
  readonly window: number;
  readonly hop: number;
  readonly maxSeconds: number;
}

export interface AudioElements {
  readonly elements: Float32Array<ArrayBuffer>;
  /** Without the batch axis. */
  readonly shape: readonly number[];
  readonly seconds: number;
}

/** `recording` has the plan's sample rate. */
export function toAudioElements({ samples, sampleRate }: Recording, plan: AudioPlan): AudioElements {
  const seconds = samples.length / sampleRate;
  const { bands, frames } = plan;
  if (plan.features === 'kaldi-fbank') return { elements: kaldiSpectrogram(samples, plan), shape: [frames, bands], seconds };
  if (plan.features === 'whisper-log-mel') return { elements: whisperSpectrogram(samples, plan), shape: [bands, frames], seconds };
  const cut = plan.samples === undefined ? samples : samples.slice(0, plan.samples);
  const values = plan.normalize ? normalized(cut) : cut;
  const length = plan.samples ?? values.length;
  if (values.length === length) return { elements: values, shape: [length], seconds };
  const elements = new Float32Array(length);
  elements.set(values);
  return { elements, shape: [length], seconds };
}

/** As transformers' wav2vec2: the variance that of the population, and a small number against silence. */
function normalized(samples: Float32Array): Float32Array<ArrayBuffer> {
  let mean = 0;
  for (const sample of samples) mean += sample;
  mean /= Math.max(1, samples.length);
  let variance = 0;
  for (const sample of samples) variance += (sample - mean) ** 2;
  const deviation = Math.sqrt(variance / Math.max(1, samples.length) + 1e-7);
  return Float32Array.from(samples, (sample) => (sample - mean) / deviation);
}
