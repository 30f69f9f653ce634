/** Hugging Face's `preprocessor_config.json` (transformers' image processors) → the same options that model.yaml has. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import type { ImageOptions } from './image-options.ts';
import type { ResizeFilter } from './resize.ts';

const mostBytes = 1 << 20;
const pixels = z.int().min(1).max(8192);
const size = z.union([pixels, z.looseObject({ shortest_edge: pixels.optional(), longest_edge: pixels.optional(), height: pixels.optional(), width: pixels.optional() })]);
const levels = z.union([z.number(), z.array(z.number()).min(1).max(3)]);

const preprocessorConfig = z.looseObject({
  do_resize: z.boolean().default(true),
  size: size.optional(),
  do_center_crop: z.boolean().optional(),
  crop_size: size.optional(),
  crop_pct: z.number().min(0.01).max(1).optional(),
  resample: z.int().min(0).max(5).optional(),
  do_rescale: z.boolean().optional(),
  rescale_factor: z.number().optional(),
  do_normalize: z.boolean().optional(),
  image_mean: levels.optional(),
  image_std: levels.optional(),
});

/** Pillow's numbers of its filters. */
const filters: readonly ResizeFilter[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/** Undefined where the folder has no such file. Throws `INVALID_CONFIG` where it is malformed. */
export function readPreprocessorConfig(artifact: Artifact): ImageOptions | undefined {
  const path = join(artifact.directory, 'preprocessor_config.json');
  let text;
  try {
    if (statSync(path).size > mostBytes) throw new ModelportError('INVALID_CONFIG', `${path} has more than ${mostBytes} bytes: this is no preprocessor configuration`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  return fromPreprocessorConfig(text, path);
}

export function fromPreprocessorConfig(text: string, path: string): ImageOptions {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ModelportError('INVALID_CONFIG', `${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const parsed = preprocessorConfig.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new ModelportError('INVALID_CONFIG', `${path}: ${issue.path.join('.')}: ${issue.message}`, { at: issue.path.join('.') });
  }
  const config = parsed.data;
  const options: { -readonly [K in keyof ImageOptions]: ImageOptions[K] } = {};
  const resize: NonNullable<ImageOptions['resize']> = {};
  const resized = dimensions(config.size);
  const cropped = config.do_center_crop === false ? undefined : dimensions(config.crop_size);
  const filter = filters[config.resample ?? 2];
  if (filter !== undefined) resize.filter = filter;
  const wanted = cropped ?? resized;
  if (wanted !== undefined) options.size = { width: wanted.width, height: wanted.height };
  if (config.do_resize && resized !== undefined) {
    // ConvNeXt's way: with a crop_pct the shorter side is the size over it, and the middle is cut out.
    if (resized.longestEdge !== undefined && cropped === undefined) {
      resize.mode = 'within';
      resize.shortestSide = resized.width;
      resize.longestSide = resized.longestEdge;
      delete options.size;
    } else if (config.crop_pct !== undefined && cropped === undefined && resized.shortestEdge) {
      resize.mode = 'shortest-side';
      resize.shortestSide = resized.width < 384 ? Math.trunc(resized.width / config.crop_pct) : resized.width;
      if (resized.width >= 384) resize.mode = 'stretch';
    } else if (resized.shortestEdge || cropped !== undefined) {
      resize.mode = 'shortest-side';
      resize.shortestSide = Math.max(Math.min(resized.width, resized.height), wanted!.width, wanted!.height);
    } else {
      resize.mode = 'stretch';
    }
  }
  options.resize = resize;
  options.rescale = config.do_rescale === false ? false : (config.rescale_factor ?? 1 / 255);
  options.mean = config.do_normalize === false ? 0 : (config.image_mean ?? 0);
  options.std = config.do_normalize === false ? 1 : (config.image_std ?? 1);
  return options;
}

function dimensions(value: z.infer<typeof size> | undefined): { readonly width: number; readonly height: number; readonly shortestEdge: boolean; readonly longestEdge?: number } | undefined {
  if (value === undefined) return undefined;
  // A bare number means the shorter side for some processors and both sides for others; both end at the same size.
  if (typeof value === 'number') return { width: value, height: value, shortestEdge: false };
  if (value.shortest_edge !== undefined) return { width: value.shortest_edge, height: value.shortest_edge, shortestEdge: true, ...(value.longest_edge === undefined ? {} : { longestEdge: value.longest_edge }) };
  if (value.height !== undefined && value.width !== undefined) return { width: value.width, height: value.height, shortestEdge: false };
  return undefined;
}
