/** What a file is, by its first bytes, for errors that say why it is no model, and what to do about it. */
import { open } from 'node:fs/promises';

const keras = "a Keras model: write it as ONNX with model.export('model.onnx', format='onnx')";
const pickle = 'a Python pickle that names no class of scikit-learn, XGBoost, LightGBM or CatBoost at its beginning: save the fitted estimator by itself';
const page = 'an HTML page, not a downloaded model';

const beginnings: readonly (readonly [offset: number, bytes: string, what: string])[] = [
  [0, 'version https://git-lfs', 'a Git LFS pointer: the model itself was not downloaded, run git lfs pull'],
  [0, '\u0089HDF\r\n', `an HDF5 file; if it is ${keras}`],
  [0, 'GGUF', 'a GGUF model of llama.cpp'],
  [0, '\u0093NUMPY', 'a NumPy array: numbers without a program'],
  [0, 'BZh', 'compressed with bzip2: decompress it'],
  [0, '\u001f\u008b', 'compressed with gzip: decompress it'],
  [0, '\u00fd7zXZ\u0000', 'compressed with xz: decompress it'],
  [0, '\u0004\u0022M\u0018', 'compressed with LZ4: decompress it'],
  [0, '\u0028\u00b5\u002f\u00fd', 'compressed with Zstandard: decompress it'],
  // The first fields of a SavedModel; ONNX has had other versions than 1 since 2017.
  [0, '\u0008\u0001\u0012', 'a SavedModel of TensorFlow: write it as ONNX with python -m tf2onnx.convert --saved-model FOLDER --output model.onnx'],
  [257, 'ustar', 'a tar archive: unpack it, and name the model in it'],
  [0, '7z\u00bc\u00af\u0027\u001c', 'a 7z archive: unpack it, and name the model in it'],
  [0, '\u0080\u0002', pickle],
  [0, '\u0080\u0003', pickle],
  [0, '\u0080\u0004', pickle],
  [0, '\u0080\u0005', pickle],
  [4, 'TFL3', 'a TensorFlow Lite model: write it as ONNX with python -m tf2onnx.convert --tflite MODEL --output model.onnx'],
  [4, 'ORTM', "a model in ONNX Runtime's own .ort format: give the .onnx file that it was made of"],
  [0, '<!DOCTYPE', page],
  [0, '<!doctype', page],
  [0, '<html', page],
  [0, '%PDF', 'a PDF document'],
  [0, '\u0089PNG', 'a PNG image'],
  [0, '\u00ff\u00d8\u00ff', 'a JPEG image'],
  [0, 'RIFF', 'a sound, a picture or a film (RIFF)'],
  [0, '\u007fELF', 'a program'],
  [0, 'PAR1', 'a Parquet file: data, and no model'],
];

/** What a zip file is, by the names that its first bytes tell. */
const zips: readonly (readonly [names: RegExp, what: string])[] = [
  [/\.weights\.h5$|^metadata\.json$/, keras],
  [/\.npy$/, 'a NumPy archive (.npz): arrays without a program'],
  [/^MAR-INF\//, "TorchServe's archive (.mar): unpack it, and name the model in it"],
  [/^\[Content_Types\]\.xml$/, 'a document of an office program'],
  [/^META-INF\//, 'a Java archive'],
];

/** "a zip file", "empty", or undefined where it cannot be told: what stands behind "it is". `start` holds the first bytes, a few hundred are enough. */
export function describeContent(start: Uint8Array): string | undefined {
  if (start.length === 0) return 'empty';
  const text = Buffer.from(start.buffer, start.byteOffset, Math.min(start.length, 4096)).toString('latin1');
  if (text.startsWith('PK\u0003\u0004')) return describeZip(start);
  for (const [offset, bytes, what] of beginnings) if (text.startsWith(bytes, offset)) return what;
  if (/^\s*\{/.test(text) && isText(start)) return 'text that looks like JSON';
  if (start.every((byte) => byte === 0)) return 'all zeros: it was allocated but not written';
  return isText(start) ? 'text' : undefined;
}

function describeZip(start: Uint8Array): string {
  const bytes = Buffer.from(start.buffer, start.byteOffset, start.byteLength);
  const names: string[] = [];
  for (let at = 0; at !== -1 && at + 30 <= bytes.length && names.length < 8; at = bytes.indexOf('PK\u0003\u0004', at + 4, 'latin1')) {
    names.push(bytes.toString('utf8', at + 30, at + 30 + bytes.readUInt16LE(at + 26)));
  }
  return zips.find(([pattern]) => names.some((name) => pattern.test(name)))?.[1] ?? (names[0] === undefined || names[0] === '' ? 'a zip file' : `a zip file (its first entry is ${JSON.stringify(names[0].slice(0, 80))})`);
}

/** The first bytes of a file, at most `count`. */
export async function readStart(path: string, count = 512): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const buffer = new Uint8Array(count);
    const { bytesRead } = await file.read(buffer, 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

/** UTF-8 without control characters but tabs and line ends. */
function isText(start: Uint8Array): boolean {
  if (start.some((byte) => byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)) return false;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true });
    return true;
  } catch {
    return false;
  }
}
