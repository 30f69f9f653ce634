/** Recordings in requests, examples and schemas. */
import { readExamples } from '../../example-files.ts';
import type { JsonSchema } from '../../model.ts';
import type { TaskFacts } from '../../task.ts';
import { dataUrl, fileBytes } from '../request/file-value.ts';

/** The bytes of a recording given as data URL, base64 text or bytes. Throws `INVALID_VALUE`. */
export function audioBytes(value: unknown, at: string): Uint8Array {
  return fileBytes(value, at, { noun: 'a recording', mediaType: 'audio/wav' });
}

/** The schema of a field that takes a recording. `sampleRate`: what need not be resampled. */
export function audioSchema(sampleRate: number): JsonSchema {
  return {
    type: 'string',
    title: 'Recording',
    format: 'binary',
    contentMediaType: 'audio/*',
    contentEncoding: 'base64',
    description: `A WAVE, MP3, FLAC, Ogg (Opus, Vorbis) or WebM (Opus) file: as data URL, as base64 text, or as a file of a multipart form. WAVE files of ${sampleRate} samples a second need no conversion.`,
    'x-modelport': { widget: 'audio', sampleRate },
  };
}

/** Files and bytes of examples become data URLs. */
export function audioExamples({ examples, artifact, directory }: TaskFacts): readonly unknown[] {
  return readExamples(examples, directory ?? artifact.directory).map((example) => {
    if (example instanceof Uint8Array) return { audio: dataUrl(example, 'audio/wav') };
    if (typeof example !== 'object' || example === null) return example;
    const { audio } = example as { readonly audio?: unknown };
    return audio instanceof Uint8Array ? { ...example, audio: dataUrl(audio, 'audio/wav') } : example;
  });
}
