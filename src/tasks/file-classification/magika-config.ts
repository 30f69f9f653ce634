/** `config.min.json` and `content_types_kb.min.json`, which Magika's models come with. */
import { z } from 'zod';
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import { readJsonFile } from '../request/json-file.ts';
import type { Options } from './options.ts';

const magikaConfig = z.looseObject({
  beg_size: z.int().min(0),
  mid_size: z.literal(0).default(0),
  end_size: z.int().min(0),
  use_inputs_at_offsets: z.literal(false).default(false),
  block_size: z.int().min(1),
  padding_token: z.int().min(0),
  min_file_size_for_dl: z.int().min(1),
  medium_confidence_threshold: z.number(),
  target_labels_space: z.array(z.string()),
  thresholds: z.record(z.string(), z.number()).default({}),
  overwrite_map: z.record(z.string(), z.string()).default({}),
});

/** As options of the task; undefined where the folder has no such file. Throws `INVALID_CONFIG` where it has one that is not understood. */
export function readMagikaConfig(artifact: Artifact): Options | undefined {
  const json = readJsonFile(artifact, 'config.min.json');
  if (json === undefined || !('target_labels_space' in json)) return undefined;
  const parsed = magikaConfig.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new ModelportError('INVALID_CONFIG', `config.min.json: ${issue.path.join('.')}: ${issue.message}`, { at: issue.path.join('.') });
  }
  const config = parsed.data;
  return {
    beginSize: config.beg_size,
    endSize: config.end_size,
    blockSize: config.block_size,
    paddingToken: config.padding_token,
    minimumBytes: config.min_file_size_for_dl,
    threshold: config.medium_confidence_threshold,
    thresholds: config.thresholds,
    overwrite: config.overwrite_map,
    labels: config.target_labels_space,
  };
}

export interface FileType {
  readonly description?: string;
  readonly mediaType?: string;
  readonly group?: string;
  readonly isText?: boolean;
}

const fileTypes = z.record(z.string(), z.looseObject({
  description: z.string().nullish(),
  mime_type: z.string().nullish(),
  group: z.string().nullish(),
  is_text: z.boolean().nullish(),
}));

/** What is known of each type, by label; empty where the folder does not say. */
export function readFileTypes(artifact: Artifact): ReadonlyMap<string, FileType> {
  const parsed = fileTypes.safeParse(readJsonFile(artifact, 'content_types_kb.min.json'));
  if (!parsed.success) return new Map();
  return new Map(
    Object.entries(parsed.data).map(([label, { description, mime_type: mediaType, group, is_text: isText }]) => [
      label,
      {
        ...(typeof description === 'string' ? { description } : {}),
        ...(typeof mediaType === 'string' ? { mediaType } : {}),
        ...(typeof group === 'string' ? { group } : {}),
        ...(typeof isText === 'boolean' ? { isText } : {}),
      },
    ]),
  );
}
