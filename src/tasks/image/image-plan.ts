/** How pictures become one input tensor of a model. Plain data: it crosses thread borders. */
import type { DrawingPlan } from './drawing.ts';
import type { ResizeFilter } from './resize.ts';

export const imageDatatypes = ['FP32', 'FP16', 'FP64', 'UINT8'] as const;
export type ImageDatatype = (typeof imageDatatypes)[number];

export const resizeModes = ['shortest-side', 'stretch', 'pad', 'within'] as const;

interface ResizePlan {
  /**
   * `shortest-side`: keep the shape, make the shorter side `shortestSide`, then cut out the middle.
   * `stretch`: to the wanted width and height, whatever the shape. `pad`: keep the shape, fit in, fill the rest.
   * `within`: keep the shape, make the shorter side `shortestSide` unless the longer one would go beyond `longestSide`; the
   * tensor is then as large as the picture.
   */
  readonly mode: (typeof resizeModes)[number];
  readonly filter: ResizeFilter;
  /** For `shortest-side`: the shorter side before the cut. For `within`: the shorter side. */
  readonly shortestSide: number;
  /** For `within`. */
  readonly longestSide?: number;
  /** For `within`: sides are brought to multiples of this, by filling with zeros after normalizing. */
  readonly multipleOf?: number;
  /** For `pad`: the picture lies in the middle, or in the upper left corner. */
  readonly align?: 'center' | 'start';
  /** For `pad`: the grey level of the rest. */
  readonly padValue: number;
}

export interface ImagePlan {
  /** Of the tensor; with `within` the largest that it may be. */
  readonly width: number;
  readonly height: number;
  readonly layout: 'NCHW' | 'NHWC';
  readonly color: 'rgb' | 'bgr' | 'grayscale';
  readonly datatype: ImageDatatype;
  readonly resize: ResizePlan;
  readonly drawing?: DrawingPlan;
  /** Turn dark into light before normalizing. */
  readonly invert: boolean;
  /** Grey level on which transparent pictures are laid. */
  readonly background: number;
  /** An element is `level × scale + offset`, level 0 … 255; one pair a channel, in the order of `color`. */
  readonly scale: readonly number[];
  readonly offset: readonly number[];
  /** Pictures with more pixels are refused. */
  readonly maxPixels: number;
}
