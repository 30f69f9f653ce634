/** How files of PyTorch are read. */
import type { PickleClasses } from '../pickle/pickle-class.ts';
import type { PickleLimits } from '../pickle/pickle-limits.ts';
import type { ZipLimits } from '../zip.ts';

export interface ReadTorchOptions {
  /** Classes beside PyTorch's tensors and Python's own: modules, TorchScript classes. Default none. */
  readonly classes?: PickleClasses;
  readonly wrapFloats?: boolean;
  /** As TorchScript writes enums: see the reader of pickles. */
  readonly bareArguments?: boolean;
  readonly limits?: Partial<PickleLimits>;
  readonly zipLimits?: Partial<ZipLimits>;
}
