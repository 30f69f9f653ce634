/** From the bytes of a pickle to an ONNX model, with no Python and nothing in the file run. */
import type { ModelProto } from '../../onnx/model-proto.ts';
import { buildModel } from './build-model.ts';
import { convert } from './converters.ts';
import type { Fitted } from './fitted.ts';

/** Throws `INVALID_MODEL` naming class, module and version of what is not covered. */
export function importEstimator(record: Fitted): ModelProto {
  return buildModel(convert(record));
}
