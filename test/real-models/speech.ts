/** Recordings as a speech detector at 16 kHz takes them. */
import { readFileSync } from 'node:fs';

/** The samples of a 16-bit mono WAVE file, from -1 to 1. */
function readWave(path: string): { readonly rate: number; readonly samples: Float32Array<ArrayBuffer> } {
  const file = readFileSync(path);
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE') throw new Error(`${path} is not a WAVE file`);
  let rate = 0;
  for (let offset = 12; offset + 8 <= file.length; ) {
    const name = file.toString('latin1', offset, offset + 4);
    const size = view.getUint32(offset + 4, true);
    if (name === 'fmt ') {
      if (view.getUint16(offset + 8, true) !== 1 || view.getUint16(offset + 10, true) !== 1 || view.getUint16(offset + 22, true) !== 16) throw new Error(`${path} is not 16-bit mono PCM`);
      rate = view.getUint32(offset + 12, true);
    }
    if (name === 'data') {
      const count = Math.min(size, file.length - offset - 8) >> 1;
      return { rate, samples: Float32Array.from({ length: count }, (_, index) => view.getInt16(offset + 8 + index * 2, true) / 32768) };
    }
    offset += 8 + size + (size & 1);
  }
  throw new Error(`${path} has no samples`);
}

/** Modified Bessel function of the first kind and order 0, by its power series. */
function bessel0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** Every `factor`-th sample behind a low-pass of windowed sinc (Kaiser, β 5, ten zero crossings a side): what SciPy's resample_poly designs. */
function decimate(samples: Float32Array, factor: number): Float32Array<ArrayBuffer> {
  const half = 10 * factor;
  const taps = Float64Array.from({ length: 2 * half + 1 }, (_, index) => {
    const x = (index - half) / factor;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    return sinc * bessel0(5 * Math.sqrt(1 - ((index - half) / half) ** 2));
  });
  const gain = taps.reduce((sum, tap) => sum + tap, 0);
  return Float32Array.from({ length: Math.ceil(samples.length / factor) }, (_, index) => {
    let sum = 0;
    for (let tap = 0; tap < taps.length; tap++) sum += taps[tap]! * (samples[index * factor + tap - half] ?? 0);
    return sum / gain;
  });
}

/** A recording at 16 kHz, rounded to 16 bits. */
export function readSpeech(path: string): Float32Array<ArrayBuffer> {
  const { rate, samples } = readWave(path);
  if (rate % 16_000 !== 0) throw new Error(`${path} has ${rate} samples a second, which is no multiple of 16,000`);
  const resampled = rate === 16_000 ? samples : decimate(samples, rate / 16_000);
  return resampled.map((sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32768))) / 32768);
}

const chunk = 512;
const context = 64;

/** Whole chunks of 512 samples, each after the 64 before it. */
export function chunksOf(samples: Float32Array): Float32Array<ArrayBuffer>[] {
  return Array.from({ length: Math.floor(samples.length / chunk) }, (_, index) => {
    const data = new Float32Array(context + chunk);
    if (index > 0) data.set(samples.subarray(index * chunk - context, index * chunk));
    data.set(samples.subarray(index * chunk, (index + 1) * chunk), context);
    return data;
  });
}
