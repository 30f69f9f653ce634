/** The architectures that weights are imported for, a file a family. docs/architectures.md says how one is added. */
import type { Architecture } from '../architecture.ts';
import { alexnet } from './alexnet.ts';
import { convnext } from './convnext.ts';
import { densenet } from './densenet.ts';
import { efficientnetLite } from './efficientnet-lite.ts';
import { efficientnet } from './efficientnet.ts';
import { mnasnet } from './mnasnet.ts';
import { mobilenet } from './mobilenet.ts';
import { regnet } from './regnet.ts';
import { resnet } from './resnet.ts';
import { shufflenet } from './shufflenet.ts';
import { squeezenet } from './squeezenet.ts';
import { swinTransformer } from './swin-transformer.ts';
import { vgg } from './vgg.ts';
import { visionTransformer } from './vision-transformer.ts';

export const architectures: readonly Architecture[] = [
  ...resnet,
  ...vgg,
  ...mobilenet,
  ...densenet,
  ...efficientnet,
  ...efficientnetLite,
  ...convnext,
  ...visionTransformer,
  ...swinTransformer,
  ...alexnet,
  ...squeezenet,
  ...shufflenet,
  ...mnasnet,
  ...regnet,
];
