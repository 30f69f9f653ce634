/** What a program is called, what it takes, and how it is built of the weights that a file holds. */
import type { Value } from '../../onnx/graph-builder.ts';
import type { Network } from './network.ts';

export interface Architecture {
  /** As torchvision spells it: `resnet18`, `efficientnet_b0`. */
  readonly name: string;
  /** What its file of descriptions is called: `ResNet`. For lists and error messages. */
  readonly family: string;
  /** The weight of the first layer, whose second axis tells how many channels a picture has: `conv1.weight`. */
  readonly stem: string;
  /** Height and width of the pictures that it was made for. */
  readonly size: number | ((shapeOf: (key: string) => readonly number[] | undefined) => number);
  /** `any`: other heights and widths go through the same graph; `chosen`: a graph is for one size, which a person may choose; `given`: there is only one. */
  readonly sizes: 'any' | 'chosen' | 'given';
  /** The smallest height and width that its poolings leave something of. Default 32. */
  readonly leastSize?: number;
  /** How pictures are prepared where nobody says otherwise. */
  readonly preparation?: Preparation;
  /** An older spelling of a weight's name as the one that is used here. */
  readonly rename?: (key: string) => string;
  /** Builds the logits, [batch, classes], of pictures, [batch, channels, height, width]. */
  build(network: Network, image: Value): Value;
}

export interface Preparation {
  /** To which the shorter side is resized before the middle is cut out; default: 256 of 224. */
  readonly resize?: number;
  readonly filter?: 'bilinear' | 'bicubic';
  /** Of each channel, of values from 0 to 1; default: ImageNet's. */
  readonly mean?: readonly number[];
  readonly std?: readonly number[];
}
