/** Sound as the browser decodes it. */
import { bytesOf } from '../data-url.ts';
import { encodeWave } from './encode-wave.ts';

/** Any sound that the browser can play, at the given rate, as one channel. Rejects where it cannot. */
export async function decodeSound(bytes: ArrayBuffer, sampleRate: number): Promise<Float32Array> {
  const decoded = await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(bytes);
  const mono = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel++) {
    decoded.getChannelData(channel).forEach((sample, index) => (mono[index]! += sample / decoded.numberOfChannels));
  }
  return mono;
}

/** The file as a WAVE file: as it is where it is one, else decoded by the browser. */
export async function asWave(file: Blob, sampleRate: number): Promise<Blob> {
  const head = new TextDecoder('latin1').decode(await file.slice(0, 12).arrayBuffer());
  if (head.startsWith('RIFF') && head.endsWith('WAVE')) return new File([file], file instanceof File ? file.name : 'recording.wav', { type: 'audio/wav' });
  const wave = encodeWave([await decodeSound(await file.arrayBuffer(), sampleRate)], sampleRate);
  return file instanceof File ? new File([wave], file.name.replace(/\.\w+$/, '.wav'), { type: 'audio/wav' }) : wave;
}

/** Highest and lowest of each of `count` stretches, for a picture of the sound; undefined where the browser cannot read it. */
export async function peaksOf(url: string, count: number): Promise<{ readonly peaks: Float32Array; readonly seconds: number } | undefined> {
  const rate = 8000;
  try {
    const samples = await decodeSound(bytesOf(url).buffer, rate);
    const peaks = new Float32Array(count);
    samples.forEach((sample, index) => {
      const bucket = Math.min(count - 1, Math.floor((index / samples.length) * count));
      peaks[bucket] = Math.max(peaks[bucket]!, Math.abs(sample));
    });
    return { peaks, seconds: samples.length / rate };
  } catch {
    return undefined;
  }
}
