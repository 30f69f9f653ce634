/** From an architecture and its weights to a graph with one input, the picture, and one output, the logits. */
import { ElementType } from '../../onnx/data-type.ts';
import type { Dimension } from '../../onnx/dimension.ts';
import type { GraphBuilder, Value } from '../../onnx/graph-builder.ts';
import type { Architecture } from './architecture.ts';
import { Network } from './network.ts';
import type { WeightSource } from './weights.ts';

/** What a person wants otherwise than the architecture has it. */
export interface PictureSizes {
  readonly name?: string;
  readonly batch?: Dimension;
  readonly height?: Dimension;
  readonly width?: Dimension;
}

export const pictureName = 'image';
export const logitsName = 'logits';

export function sizeOf(architecture: Architecture, weights: WeightSource): number {
  return typeof architecture.size === 'number' ? architecture.size : architecture.size((key) => weights.shapeOf(key));
}

/** The shape of pictures: [batch, channels, height, width]. */
export function pictureShape(architecture: Architecture, weights: WeightSource, { batch = 'batch', height, width }: PictureSizes = {}): [Dimension, number, Dimension, Dimension] {
  const channels = weights.shapeOf(architecture.stem)?.[1] ?? 3;
  const size = sizeOf(architecture, weights);
  const isAny = architecture.sizes === 'any';
  return [batch, channels, height ?? (isAny ? 'height' : size), width ?? (isAny ? 'width' : size)];
}

export function buildGraph(architecture: Architecture, graph: GraphBuilder, weights: WeightSource, sizes: PictureSizes = {}): Value {
  const image = graph.input(sizes.name ?? pictureName, ElementType.FLOAT, pictureShape(architecture, weights, sizes));
  const logits = architecture.build(new Network(graph, weights), image);
  graph.output(logits, logitsName);
  return logits;
}
