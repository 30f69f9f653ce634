/** Whether a file's beginning is that of an ONNX model. */
import { describeContent } from '../file-content.ts';

/** First bytes of the fields of `ModelProto`: number × 8 + wire type. Writers put any of them first. */
const firstBytes = new Set([0x08, 0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72, 0xa2, 0xca]);

export function looksLikeOnnx(start: Uint8Array, sizeBytes: number): boolean {
  return sizeBytes > 2 && start.length > 0 && firstBytes.has(start[0]!) && describeContent(start) === undefined;
}
