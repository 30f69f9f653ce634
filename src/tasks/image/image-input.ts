/** The input of a model that takes pictures, and the plan that brings them into it. */
import type { Artifact } from '../../artifact.ts';
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { Dimension, Signature, TensorSpec } from '../../model.ts';
import type { ImageOptions } from './image-options.ts';
import { imageDatatypes, type ImageDatatype, type ImagePlan } from './image-plan.ts';
import { readPreprocessorConfig } from './preprocessor-config.ts';

export interface ImageInput {
  readonly spec: TensorSpec;
  readonly plan: ImagePlan;
}

interface ImageShape {
  readonly layout: 'NCHW' | 'NHWC';
  readonly channels: 1 | 3;
  /** Undefined where the model takes any. */
  readonly width: number | undefined;
  readonly height: number | undefined;
}

/** Whether a tensor is evidently one picture a row: four axes, one or three channels, a number for each channel. */
export function imageShape(spec: TensorSpec, layout?: 'NCHW' | 'NHWC'): ImageShape | undefined {
  if (spec.shape.length !== 4 || !isImageDatatype(spec.datatype)) return undefined;
  const [, second, third, fourth] = spec.shape as readonly [Dimension, Dimension, Dimension, Dimension];
  const isChannels = (dimension: Dimension): dimension is 1 | 3 => dimension === 1 || dimension === 3;
  // Optimum leaves even the number of channels open.
  if (layout !== 'NHWC' && typeof second === 'string' && /channel/i.test(second)) return { layout: 'NCHW', channels: 3, height: fixed(third), width: fixed(fourth) };
  if (layout !== 'NHWC' && isChannels(second)) return { layout: 'NCHW', channels: second, height: fixed(third), width: fixed(fourth) };
  if (layout !== 'NCHW' && isChannels(fourth)) return { layout: 'NHWC', channels: fourth, height: fixed(second), width: fixed(third) };
  return undefined;
}

function fixed(dimension: Dimension): number | undefined {
  return typeof dimension === 'number' && dimension > 0 ? dimension : undefined;
}

function isImageDatatype(datatype: string): datatype is ImageDatatype {
  return (imageDatatypes as readonly string[]).includes(datatype);
}

const imageNet = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

export interface ImageInputOptions {
  /** The task feeds other inputs itself. */
  readonly beside?: boolean;
  /** What holds where neither the config nor preprocessor_config.json says otherwise. */
  readonly usual?: ImageOptions;
}

/**
 * Throws `INVALID_CONFIG` where options and signature do not fit together.
 */
export function planImageInput(signature: Signature, given: ImageOptions, artifact: Artifact, { beside = false, usual = {} }: ImageInputOptions = {}): ImageInput {
  const spec = findInput(signature, given.input, beside);
  const shape = imageShape(spec, given.layout);
  if (shape === undefined) {
    throw new ModelportError(
      'INVALID_CONFIG',
      `input '${spec.name}' is ${spec.datatype} [${spec.shape.join(', ')}], which is no picture: a picture has four axes (batch, channels, height, width, or the channels last), 1 or 3 channels, and is ${imageDatatypes.join(', ')}`,
      { at: 'task.input' },
    );
  }
  const saved = readPreprocessorConfig(artifact) ?? {};
  const options: ImageOptions = { ...usual, ...saved, ...given, resize: { ...usual.resize, ...saved.resize, ...given.resize } };
  const { resize = {}, drawing } = options;
  const within = resize.mode === 'within' && (shape.width === undefined || shape.height === undefined);
  const { width, height } = within ? largestWithin(resize) : sizeOf(spec, shape, options);
  const color = options.color ?? (shape.channels === 1 ? 'grayscale' : 'rgb');
  if ((color === 'grayscale') !== (shape.channels === 1)) {
    throw new ModelportError('INVALID_CONFIG', `task.color is ${color}, but input '${spec.name}' has ${shape.channels} channel${shape.channels === 1 ? '' : 's'}`, { at: 'task.color' });
  }
  const asBytes = spec.datatype === 'UINT8';
  const rescale = options.rescale === false ? 1 : (options.rescale ?? (asBytes ? 1 : 1 / 255));
  const likeImageNet = shape.channels === 3 && shape.layout === 'NCHW' && !asBytes && options.rescale !== false;
  const mean = perChannel('mean', options.mean ?? (likeImageNet ? channelOrder(imageNet.mean, color) : 0), shape.channels);
  const std = perChannel('std', options.std ?? (likeImageNet ? channelOrder(imageNet.std, color) : 1), shape.channels);
  if (std.includes(0)) throw new ModelportError('INVALID_CONFIG', 'task.std is 0, and nothing can be divided by it', { at: 'task.std' });
  const mode = resize.mode === 'within' && !within ? 'stretch' : (resize.mode ?? 'shortest-side');
  const shortestSide = resize.shortestSide ?? Math.max(width, height);
  if (shortestSide < Math.max(width, height) && mode === 'shortest-side') {
    throw new ModelportError('INVALID_CONFIG', `task.resize.shortestSide is ${shortestSide}, smaller than what is cut out of the picture (${width} × ${height})`, { at: 'task.resize.shortestSide' });
  }
  const details = typeof drawing === 'object' ? drawing : { crop: true, center: 'mass' as const };
  return {
    spec,
    plan: {
      width,
      height,
      layout: shape.layout,
      color,
      datatype: spec.datatype as ImageDatatype,
      resize: {
        mode,
        filter: resize.filter ?? 'bilinear',
        shortestSide,
        padValue: resize.padValue ?? 0,
        ...(mode === 'within' ? { longestSide: width, multipleOf: resize.multipleOf ?? 1 } : {}),
        ...(resize.align === undefined ? {} : { align: resize.align }),
      },
      ...(drawing === undefined || drawing === false
        ? {}
        : {
            drawing: {
              crop: details.crop,
              size: details.size ?? Math.round((Math.min(width, height) * 5) / 7),
              center: details.center,
              ...(details.strokeWidth === undefined ? {} : { strokeWidth: details.strokeWidth }),
            },
          }),
      invert: options.invert ?? false,
      background: options.background === 'black' ? 0 : 255,
      scale: std.map((divisor) => rescale / divisor),
      offset: std.map((divisor, channel) => (mean[channel] === 0 ? 0 : -mean[channel]! / divisor)),
      maxPixels: options.maxPixels ?? 50_000_000,
    },
  };
}

function findInput(signature: Signature, name: string | undefined, beside: boolean): TensorSpec {
  if (name !== undefined) {
    const named = signature.inputs.find((input) => input.name === name);
    if (named !== undefined) return named;
    throw new ModelportError('INVALID_CONFIG', `task.input is '${name}', but the model has no such input${suggestName(name, signature.inputs.map((input) => input.name))}`, { at: 'task.input' });
  }
  const required = signature.inputs.filter((input) => input.optional !== true);
  if (required.length === 1) return required[0]!;
  const pictures = required.filter((input) => imageShape(input) !== undefined);
  if (beside && pictures.length === 1) return pictures[0]!;
  throw new ModelportError('INVALID_CONFIG', `the model has ${required.length} inputs (${required.map((input) => input.name).join(', ')}), but a task on pictures feeds one`, { at: 'task' });
}

function sizeOf(spec: TensorSpec, shape: ImageShape, options: ImageOptions): { readonly width: number; readonly height: number } {
  const wanted = typeof options.size === 'number' ? { width: options.size, height: options.size } : options.size;
  const width = shape.width ?? wanted?.width;
  const height = shape.height ?? wanted?.height;
  if (width === undefined || height === undefined) {
    throw new ModelportError('INVALID_CONFIG', `input '${spec.name}' takes pictures of any size: say which one with task.size, e.g. size: 224`, { at: 'task.size' });
  }
  if (wanted !== undefined && (wanted.width !== width || wanted.height !== height)) {
    throw new ModelportError('INVALID_CONFIG', `task.size is ${wanted.width} × ${wanted.height}, but input '${spec.name}' takes ${width} × ${height}`, { at: 'task.size' });
  }
  return { width, height };
}

function largestWithin(resize: NonNullable<ImageOptions['resize']>): { readonly width: number; readonly height: number } {
  if (resize.shortestSide === undefined) throw new ModelportError('INVALID_CONFIG', 'task.resize.mode is within: say task.resize.shortestSide, e.g. 800', { at: 'task.resize.shortestSide' });
  const side = Math.max(resize.shortestSide, resize.longestSide ?? 8192);
  return { width: side, height: side };
}

function channelOrder(values: readonly number[], color: ImagePlan['color']): number[] {
  return color === 'bgr' ? values.toReversed() : [...values];
}

function perChannel(name: string, value: number | readonly number[], channels: number): number[] {
  if (typeof value === 'number') return Array.from({ length: channels }, () => value);
  if (value.length === channels) return [...value];
  if (value.length === 1) return Array.from({ length: channels }, () => value[0]!);
  throw new ModelportError('INVALID_CONFIG', `task.${name} has ${value.length} numbers, but the picture has ${channels} channel${channels === 1 ? '' : 's'}`, { at: `task.${name}` });
}
