/** One case: import, run, compare. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { importEstimator } from '../../dist/importers/sklearn/sklearn.js';
import { inferSignature } from '../../dist/onnx/infer-signature.js';
import { writeModelBytes } from '../../dist/onnx/write-model.js';

const { InferenceSession, Tensor } = createRequire(import.meta.url)('onnxruntime-node');
/** `float32` compares what is imported for speed: numbers keep seven digits, fewer where they are sums. */
export const precision = process.env['MODELPORT_PARITY_PRECISION'] ?? 'float64';
const tolerance = precision === 'float32' ? 1e-2 : 1e-5;

/** Outputs of the imported model by method of scikit-learn. */
const outputsOf = { predict: ['label', 'prediction'], predict_proba: ['probabilities'], decision_function: ['decision_function'], transform: ['transform'], score_samples: ['score_samples'] };

/** @returns {Promise<{ verdict: 'agrees' | 'refused' | 'WRONG', detail?: string }>} */
export async function compareCase(row, folder) {
  let model;
  try {
    model = await importEstimator(readFileSync(join(folder, row.file)), row.file, { precision });
  } catch (error) {
    const refused = error.isModelportError === true && error.code === 'INVALID_MODEL';
    return { verdict: refused ? 'refused' : 'WRONG', detail: refused ? error.message : (error.stack ?? String(error)).split('\n').slice(0, 3).join(' ') };
  }
  try {
    const session = await InferenceSession.create(Buffer.from(writeModelBytes(model)), { logSeverityLevel: 4 });
    const { signature } = inferSignature(model);
    const outputs = await session.run(feeds(signature.inputs, row.input));
    return compareOutputs(row.outputs, outputs);
  } catch (error) {
    return { verdict: 'WRONG', detail: `does not run: ${String(error.message).slice(0, 300)}` };
  }
}

function feeds(inputs, given) {
  const columns = given.columns;
  return Object.fromEntries(
    inputs.map((spec, index) => {
      const array = columns === undefined ? (inputs.length > 1 ? columnOf(given, index, spec.name) : given) : columns[spec.name] ?? joined(columns, inputs);
      const rows = array.shape[0];
      const shape = spec.shape.length === 1 ? [rows] : [rows, array.shape[1] ?? 1];
      return [spec.name, spec.datatype === 'BYTES' ? new Tensor('string', array.data.map((value) => (value === 'NaN' || value === null ? '' : String(value))), shape) : spec.datatype === 'FP32' ? new Tensor('float32', Float32Array.from(array.data, Number), shape) : new Tensor('float64', Float64Array.from(array.data, Number), shape)];
    }),
  );
}

function columnOf(array, index, name) {
  const place = /^x(\d+)$/.test(name) ? Number(name.slice(1)) : index;
  const width = array.shape[1];
  return { shape: [array.shape[0], 1], data: array.data.filter((_, at) => at % width === place) };
}

/** A frame that goes into one matrix. */
function joined(columns) {
  const arrays = Object.values(columns);
  const rows = arrays[0].shape[0];
  return { shape: [rows, arrays.length], data: Array.from({ length: rows * arrays.length }, (_, at) => arrays[at % arrays.length].data[Math.floor(at / arrays.length)]) };
}

/** Compares what scikit-learn gave with what the model gives; a method of scikit-learn that the model lacks is a difference. */
export function compareOutputs(expected, outputs) {
  let largest = 0;
  const missing = [];
  for (const [method, value] of Object.entries(expected)) {
    const names = outputsOf[method];
    const parts = Array.isArray(value) ? value.map((part, index) => [outputs[`${names[0]}_${index}`], part]) : [[names.map((name) => outputs[name]).find((output) => output !== undefined), value]];
    for (const [found, wanted] of parts) {
      if (found === undefined) {
        missing.push(method);
        continue;
      }
      const difference = compareArrays(wanted, found);
      if (typeof difference === 'string') return { verdict: 'WRONG', detail: `${method}: ${difference}` };
      largest = Math.max(largest, difference);
    }
  }
  if (missing.length > 0 && missing.length === Object.keys(expected).length) return { verdict: 'WRONG', detail: `no output for ${missing.join(', ')}` };
  return { verdict: 'agrees', detail: `${largest === 0 ? '0' : largest.toExponential(1)}${missing.length > 0 ? `; without ${missing.join(', ')}` : ''}` };
}

function compareArrays({ shape, kind, data }, { dims, data: found }) {
  if (shape.join() !== dims.join()) return `the shape is [${dims}], not [${shape}]`;
  const scale = kind === 'f' ? data.reduce((most, value) => (typeof value === 'number' ? Math.max(most, Math.abs(value)) : most), 0) : 0;
  let largest = 0;
  for (let at = 0; at < data.length; at++) {
    const wanted = data[at];
    const got = found[at];
    if (kind === 'f') {
      const a = Number(wanted);
      const b = Number(got);
      if (Object.is(a, b) || a === b) continue;
      if (!Number.isFinite(a) || !Number.isFinite(b)) return `element ${at} is ${b}, not ${a}`;
      // Against the element itself, or what is small beside the array's largest.
      const difference = Math.abs(a - b) / Math.max(Math.abs(a), 1e-3 * scale, 1e-12);
      if (difference > tolerance) return `element ${at} is ${b}, not ${a}`;
      largest = Math.max(largest, difference);
    } else if (kind === 'b' ? Boolean(got) !== wanted : String(got) !== String(wanted)) return `element ${at} is ${String(got)}, not ${String(wanted)}`;
  }
  return largest;
}
