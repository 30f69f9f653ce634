/** Log-mel spectrograms as Kaldi (`fbank`) and OpenAI's Whisper compute them: what speech models are trained on. */
import { PowerSpectrum } from './fourier.ts';

/** One triangle a mel band over the bins of a spectrum. */
type Filters = readonly Float64Array[];

/** Kaldi's: triangles in mel space (1127 · ln(1 + f / 700)). */
function kaldiFilters(bands: number, bins: number, sampleRate: number, lowest: number, highest: number): Filters {
  const mel = (frequency: number): number => 1127 * Math.log(1 + frequency / 700);
  const edges = evenly(mel(lowest), mel(highest), bands + 2);
  const places = Array.from({ length: bins }, (_, bin) => mel((bin * sampleRate) / (2 * (bins - 1))));
  return triangles(edges, places);
}

/** Slaney's: linear below 1000 Hz and logarithmic above, triangles in hertz, each of the area 1. */
function slaneyFilters(bands: number, bins: number, sampleRate: number, lowest: number, highest: number): Filters {
  const step = Math.log(6.4) / 27;
  const mel = (frequency: number): number => (frequency < 1000 ? (3 * frequency) / 200 : 15 + Math.log(frequency / 1000) / step);
  const hertz = (value: number): number => (value < 15 ? (200 * value) / 3 : 1000 * Math.exp(step * (value - 15)));
  const edges = evenly(mel(lowest), mel(highest), bands + 2).map(hertz);
  const places = Array.from({ length: bins }, (_, bin) => (bin * sampleRate) / (2 * (bins - 1)));
  return triangles(edges, places).map((filter, band) => filter.map((weight) => (weight * 2) / (edges[band + 2]! - edges[band]!)));
}

function evenly(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => from + ((to - from) * index) / (count - 1));
}

function triangles(edges: readonly number[], places: readonly number[]): Float64Array[] {
  return Array.from({ length: edges.length - 2 }, (_, band) => {
    const [low, middle, high] = [edges[band]!, edges[band + 1]!, edges[band + 2]!];
    return Float64Array.from(places, (place) => Math.max(0, Math.min((place - low) / (middle - low), (high - place) / (high - middle))));
  });
}

function applyFilter(filter: Float64Array, power: Float64Array): number {
  let sum = 0;
  for (let bin = 0; bin < filter.length; bin++) if (filter[bin] !== 0) sum += filter[bin]! * power[bin]!;
  return sum;
}

export interface MelPlan {
  readonly sampleRate: number;
  readonly bands: number;
  /** Frames of the result: what is longer is cut, what is shorter filled up. */
  readonly frames: number;
}

const kaldiFloor = 1.192092955078125e-7;

/**
 * `[frames, bands]`: frames of 25 ms every 10 ms, the mean taken away, pre-emphasis 0.97, Hann window, natural logarithm. Frames
 * beyond the end are 0. All of it is then `(x − mean) / (2 · std)`, as transformers' audio spectrogram transformer has it.
 */
export function kaldiSpectrogram(samples: Float32Array, plan: MelPlan & { readonly mean: number; readonly std: number }): Float32Array<ArrayBuffer> {
  const { sampleRate, bands, frames, mean, std } = plan;
  const length = Math.round(sampleRate * 0.025);
  const hop = Math.round(sampleRate * 0.01);
  const spectrum = new PowerSpectrum(2 ** Math.ceil(Math.log2(length)));
  const window = Float64Array.from({ length }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / (length - 1)));
  const filters = kaldiFilters(bands, spectrum.length / 2 + 1, sampleRate, 20, Math.floor(sampleRate / 2));
  const result = new Float32Array(frames * bands).fill((0 - mean) / (2 * std));
  const count = Math.min(frames, samples.length < length ? 0 : 1 + Math.floor((samples.length - length) / hop));
  const frame = new Float64Array(spectrum.length);
  for (let row = 0; row < count; row++) {
    const start = row * hop;
    let average = 0;
    for (let index = 0; index < length; index++) average += samples[start + index]!;
    average /= length;
    for (let index = length - 1; index >= 0; index--) {
      const value = samples[start + index]! - average;
      const before = samples[start + Math.max(0, index - 1)]! - average;
      frame[index] = (value - 0.97 * before) * window[index]!;
    }
    const power = spectrum.power(frame);
    filters.forEach((filter, band) => {
      result[row * bands + band] = (Math.log(Math.max(kaldiFloor, applyFilter(filter, power))) - mean) / (2 * std);
    });
  }
  return result;
}

/**
 * `[bands, frames]`: windows of 400 samples (at 16 kHz) every 160 around their middle, the decimal logarithm cut at 8 below the
 * largest, then `(x + 4) / 4`. The samples are filled up with zeros, or cut, to `frames` windows first.
 */
export function whisperSpectrogram(samples: Float32Array, plan: MelPlan & { readonly window: number; readonly hop: number }): Float32Array<ArrayBuffer> {
  const { sampleRate, bands, frames, window: length, hop } = plan;
  const total = frames * hop;
  const padded = new Float64Array(total);
  padded.set(samples.subarray(0, total));
  const spectrum = new PowerSpectrum(length);
  const weights = Float64Array.from({ length }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / length));
  const filters = slaneyFilters(bands, Math.floor(length / 2) + 1, sampleRate, 0, Math.min(8000, sampleRate / 2));
  const half = length / 2;
  const frame = new Float64Array(length);
  const logs = new Float64Array(bands * frames);
  let largest = -Infinity;
  for (let row = 0; row < frames; row++) {
    for (let index = 0; index < length; index++) {
      // Beyond the ends the samples are mirrored.
      let place = row * hop - half + index;
      if (place < 0) place = -place;
      if (place >= total) place = 2 * total - 2 - place;
      frame[index] = padded[place]! * weights[index]!;
    }
    const power = spectrum.power(frame);
    for (let band = 0; band < bands; band++) {
      const value = Math.log10(Math.max(1e-10, applyFilter(filters[band]!, power)));
      if (value > largest) largest = value;
      logs[band * frames + row] = value;
    }
  }
  return Float32Array.from(logs, (value) => (Math.max(value, largest - 8) + 4) / 4);
}
