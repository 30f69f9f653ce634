/** Convolution, pooling and resizing. */
import { constantTensor } from '../constant-tensor.ts';
import { ElementType } from '../data-type.ts';
import type { GraphBuilder, Value } from '../graph-builder.ts';
import { toList, type Index } from './operand.ts';

export interface WindowOptions {
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  /** All begins, then all ends. */
  readonly pads?: readonly number[];
  readonly autoPad?: 'NOTSET' | 'SAME_UPPER' | 'SAME_LOWER' | 'VALID';
}

export interface PoolOptions extends WindowOptions {
  readonly kernel: readonly number[];
  readonly ceil?: boolean;
}

export interface ResizeOptions {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  /** Of every axis. Either these or `scales`. */
  readonly sizes?: readonly Index[] | Value;
  readonly scales?: readonly number[];
  readonly coordinates?: 'half_pixel' | 'half_pixel_symmetric' | 'pytorch_half_pixel' | 'align_corners' | 'asymmetric';
  readonly nearest?: 'round_prefer_floor' | 'round_prefer_ceil' | 'floor' | 'ceil';
  readonly cubicCoefficient?: number;
  readonly antialias?: boolean;
}

export interface SpatialFunctions {
  conv(x: Value, weight: Value, bias: Value | undefined, options?: WindowOptions & { readonly group?: number }): Value;
  convTranspose(x: Value, weight: Value, bias: Value | undefined, options?: WindowOptions & { readonly group?: number; readonly outputPadding?: readonly number[] }): Value;
  maxPool(x: Value, options: PoolOptions): Value;
  averagePool(x: Value, options: PoolOptions & { readonly countPads?: boolean }): Value;
  globalAveragePool(x: Value): Value;
  resize(x: Value, options: ResizeOptions): Value;
}

const windowAttributes = ({ strides, dilations, pads, autoPad }: WindowOptions) => ({ strides, dilations, pads, auto_pad: autoPad });

export function spatial(graph: GraphBuilder): SpatialFunctions {
  const kernelOf = (weight: Value) => (weight.shape?.slice(2).every((size) => typeof size === 'number') === true ? (weight.shape.slice(2) as number[]) : undefined);
  return {
    conv: (x, weight, bias, options = {}) => graph.node('Conv', [x, weight, bias], { kernel_shape: kernelOf(weight), group: options.group, ...windowAttributes(options) }),
    convTranspose(x, weight, bias, options = {}) {
      return graph.node('ConvTranspose', [x, weight, bias], { kernel_shape: kernelOf(weight), group: options.group, output_padding: options.outputPadding, ...windowAttributes(options) });
    },
    maxPool: (x, options) => graph.node('MaxPool', [x], { kernel_shape: options.kernel, ceil_mode: options.ceil === true ? 1 : undefined, ...windowAttributes(options) }),
    averagePool(x, options) {
      return graph.node('AveragePool', [x], {
        kernel_shape: options.kernel,
        ceil_mode: options.ceil === true ? 1 : undefined,
        count_include_pad: options.countPads === true ? 1 : undefined,
        ...windowAttributes(options),
      });
    },
    globalAveragePool: (x) => graph.node('GlobalAveragePool', [x]),
    resize(x, { mode, sizes, scales, coordinates, nearest, cubicCoefficient, antialias }) {
      return graph.node(
        'Resize',
        [x, undefined, scales === undefined ? undefined : graph.constant(constantTensor(ElementType.FLOAT, scales)), sizes === undefined ? undefined : toList(graph, sizes)],
        { mode, coordinate_transformation_mode: coordinates, nearest_mode: nearest, cubic_coeff_a: cubicCoefficient, antialias: antialias === true ? 1 : undefined },
      );
    },
  };
}
