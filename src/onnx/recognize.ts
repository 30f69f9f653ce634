/** Other things that people give where an ONNX model belongs, by their first bytes. */

const beginnings: readonly (readonly [offset: number, bytes: string, what: string])[] = [
  [0, 'version https://git-lfs', 'is a Git LFS pointer: the model itself was not downloaded (git lfs pull)'],
  [0, 'PK\u0003\u0004', 'is a zip archive (a PyTorch or Keras file?)'],
  [0, '\u0089HDF\r\n', 'is an HDF5 file (a Keras model?)'],
  [4, 'TFL3', 'is a TensorFlow Lite model'],
  [4, 'ORTM', "is in ONNX Runtime's own .ort format; give the .onnx file"],
  [0, 'GGUF', 'is a GGUF model'],
  [0, '\u0093NUMPY', 'is a NumPy array'],
  [0, '\u001f\u008b', 'is compressed with gzip'],
  [0, '(\u00b5/\u00fd', 'is compressed with Zstandard'],
  [0, '\u0080\u0002', 'is a Python pickle'],
  [0, '\u0080\u0003', 'is a Python pickle'],
  [0, '\u0080\u0004', 'is a Python pickle'],
  [0, '\u0080\u0005', 'is a Python pickle'],
  [0, '<!DOCTYPE', 'is an HTML page, not a downloaded model'],
  [0, '<html', 'is an HTML page, not a downloaded model'],
  [0, '{', 'is text that looks like JSON'],
];

/** What the bytes are, if not a model ("is a zip archive"), where that can be told. */
export function recognizeOther(start: Uint8Array): string | undefined {
  for (const [offset, text, what] of beginnings) {
    if (start.length < offset + text.length) continue;
    let same = true;
    for (let index = 0; index < text.length && same; index++) same = start[offset + index] === text.charCodeAt(index);
    // '{' is also the tag of a field that no ONNX message has; a pickle's first byte can't begin a message.
    if (same) return what;
  }
  return undefined;
}
