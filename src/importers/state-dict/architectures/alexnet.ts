/** AlexNet as https://arxiv.org/abs/1404.5997 has it and torchvision names its weights. */
import type { Value } from '../../../onnx/graph-builder.ts';
import type { Architecture } from '../architecture.ts';
import type { Network } from '../network.ts';
import { head } from './vgg.ts';

export const alexnet: readonly Architecture[] = [{ name: 'alexnet', family: 'AlexNet', stem: 'features.0.weight', size: 224, sizes: 'chosen', leastSize: 63, build }];

function build(network: Network, image: Value): Value {
  const pool = (x: Value) => network.maxPooling(x, { kernel: 3, stride: 2 });
  let x = pool(network.convolution(image, 'features.0', { out: 64, kernel: 11, stride: 4, padding: 2, activation: 'relu' }));
  x = pool(network.convolution(x, 'features.3', { out: 192, kernel: 5, activation: 'relu' }));
  x = network.convolution(x, 'features.6', { out: 384, kernel: 3, activation: 'relu' });
  x = network.convolution(x, 'features.8', { out: 256, kernel: 3, activation: 'relu' });
  x = pool(network.convolution(x, 'features.10', { out: 256, kernel: 3, activation: 'relu' }));
  return head(network, network.graph.op.flatten(network.adaptiveAverage(x, 6)), ['classifier.1', 'classifier.4', 'classifier.6']);
}
