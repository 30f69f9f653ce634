/** Sound ↔ WAVE files of 16 bit integers (RIFF, one channel): what every audio task reads. */
import { bytesOf } from './read-files.ts';

/** `samples`: from -1 to 1, pieces one after the other. */
export function encodeWave(samples: readonly Float32Array[], sampleRate: number): Blob {
  const count = samples.reduce((sum, piece) => sum + piece.length, 0);
  const view = new DataView(new ArrayBuffer(44 + count * 2));
  const text = (at: number, value: string): void => [...value].forEach((character, index) => view.setUint8(at + index, character.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + count * 2, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, sampleRate, true);
  view.setUint32(28, sampleRate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, count * 2, true);
  let at = 44;
  for (const piece of samples) {
    for (const sample of piece) {
      view.setInt16(at, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
      at += 2;
    }
  }
  return new Blob([view.buffer], { type: 'audio/wav' });
}

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
