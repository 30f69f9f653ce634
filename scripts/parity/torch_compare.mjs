/** Imports one file that torch wrote, runs it, and compares every output with torch's: shared by the front ends of PyTorch. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import * as onnxruntime from 'onnxruntime-node';

const arrays = { F64: Float64Array, F32: Float32Array, I64: BigInt64Array, I32: Int32Array, I16: Int16Array, I8: Int8Array, U8: Uint8Array, BOOL: Uint8Array, F16: Uint16Array };
const types = { F64: 'float64', F32: 'float32', I64: 'int64', I32: 'int32', I16: 'int16', I8: 'int8', U8: 'uint8', BOOL: 'bool', F16: 'float16' };

export function readTensors(path) {
  const bytes = readFileSync(path);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, 8 + length).toString());
  delete header.__metadata__;
  return new Map(
    Object.entries(header).map(([name, { dtype, shape, data_offsets: [start, end] }]) => {
      const copy = new Uint8Array(bytes.subarray(8 + length + start, 8 + length + end));
      return [name, { dtype, shape, data: new arrays[dtype](copy.buffer) }];
    }),
  );
}

/**
 * `agrees`, `WRONG`, `refused` (by name) or `failed` (we wrote what the runtime does not take). `isOperator`: the file holds one operator, whose answer
 * may be much smaller than what it was computed from, and whose order among equal values PyTorch does not promise.
 */
export async function compareFile(importer, file, tensorsFile, batches, options = {}, isOperator = false) {
  const directory = mkdtempSync(join(tmpdir(), 'modelport-parity-'));
  let session;
  try {
    const begin = performance.now();
    let artifact;
    try {
      artifact = await importer.import({ format: 'torch', directory: dirname(file), main: basename(file), files: [{ path: basename(file), sizeBytes: statSync(file).size }], metadata: {} }, directory, options);
    } catch (error) {
      if (error.code === 'INVALID_MODEL' || error.code === 'INVALID_USAGE') return { verdict: 'refused', detail: error.message.replace(`${file}: `, '') };
      return { verdict: 'failed', detail: `import: ${error.stack?.split('\n').slice(0, 3).join(' ')}` };
    }
    const importMs = Math.round(performance.now() - begin);
    try {
      session = await onnxruntime.InferenceSession.create(join(directory, artifact.main), { intraOpNumThreads: 1, logSeverityLevel: 3 });
    } catch (error) {
      return { verdict: 'failed', detail: `load: ${error.message.slice(0, 300)}`, importMs };
    }
    const tensors = readTensors(tensorsFile);
    let worst = 0;
    let detail;
    for (const batch of batches) {
      const feeds = {};
      for (const [index, name] of session.inputNames.entries()) {
        const given = tensors.get(`in.${batch}.${index}`);
        if (given === undefined) return { verdict: 'failed', detail: `the import has more inputs: ${session.inputNames.join(', ')}`, importMs };
        feeds[name] = new onnxruntime.Tensor(types[given.dtype], given.data, given.shape);
      }
      let results;
      try {
        results = await session.run(feeds);
      } catch (error) {
        return { verdict: 'failed', detail: `run at batch ${batch}: ${error.message.slice(0, 300)}`, importMs };
      }
      const wanted = [...tensors.keys()].filter((name) => name.startsWith(`out32.${batch}.`)).length;
      const names = session.outputNames;
      if (names.length < wanted) return { verdict: 'WRONG', detail: `${wanted} outputs, but the import has ${names.length}`, importMs };
      for (let index = 0; index < wanted; index++) {
        const single = tensors.get(`out32.${batch}.${index}`);
        if (isOperator && index === 1 && namesEqualValues(results[names[1]], single, tensors.get(`out32.${batch}.0`), tensors.get(`in.${batch}.0`))) continue;
        const rounding = isOperator ? largestOf(tensors, `in.${batch}.`) * 2 ** -24 : 0;
        const answer = compareTensor(results[names[index]], single, tensors.get(`out64.${batch}.${index}`), rounding);
        worst = Math.max(worst, answer.noise ?? 0);
        if (answer.problem !== undefined) return { verdict: 'WRONG', detail: `output ${index} (${names[index]}) at batch ${batch}: ${answer.problem}`, importMs, noise: answer.noise };
        detail = answer.detail ?? detail;
      }
    }
    return { verdict: 'agrees', noise: worst, importMs, ...(detail === undefined ? {} : { detail }) };
  } finally {
    // Gigabytes, of which the collector of garbage knows nothing.
    await session?.release();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What one rounding of the largest input changes it by is 2 ** -24 of this. */
function largestOf(tensors, prefix) {
  let largest = 0;
  for (const [name, { dtype, data }] of tensors) if (name.startsWith(prefix) && dtype.startsWith('F')) for (const value of data) if (Number.isFinite(value)) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** Whether our places (of `topk`, `sort`, `max` …), each named once, hold the values that torch found, on one axis of the input; that axis may be gone. */
function namesEqualValues(ours, places, values, input) {
  if (ours.type !== 'int64' || places.dtype !== 'I64' || ours.dims.join() !== places.shape.join() || values.shape.join() !== places.shape.join()) return false;
  return input.shape.some((size, axis) => {
    const isGone = input.shape.length === places.shape.length + 1;
    const shape = isGone ? places.shape.toSpliced(axis, 0, 1) : places.shape;
    if (input.shape.length !== shape.length || input.shape.some((other, at) => at !== axis && other !== shape[at])) return false;
    const step = input.shape.slice(axis + 1).reduce((product, other) => product * other, 1);
    const seen = new Set();
    for (let index = 0; index < places.data.length; index++) {
      const place = Number(ours.data[index]);
      if (place < 0 || place >= size) return false;
      const at = (Math.floor(index / (step * shape[axis])) * size + place) * step + (index % step);
      if (seen.has(at) || input.data[at] !== values.data[index]) return false;
      seen.add(at);
    }
    return true;
  });
}

/** `noise`: our distance from float64, in units of what float32 allows: ten times torch's own distance, and 2e-6 of the largest number; and `rounding`. */
export function compareTensor(ours, single, double, rounding = 0) {
  if (ours.dims.join() !== single.shape.join()) return { problem: `shape [${ours.dims}] instead of [${single.shape}]` };
  if (types[single.dtype] !== ours.type) return { problem: `type ${ours.type} instead of ${types[single.dtype]}` };
  const isFloat = single.dtype === 'F32' || single.dtype === 'F64';
  if (!isFloat) {
    for (let index = 0; index < single.data.length; index++) if (single.data[index] !== ours.data[index]) return { problem: `element ${index} is ${ours.data[index]} instead of ${single.data[index]}` };
    return {};
  }
  const exact = double !== undefined && (double.dtype === 'F64' || double.dtype === 'F32') ? double.data : single.data;
  let scale = 0;
  let own = 0;
  let torch = 0;
  let place = 0;
  for (let index = 0; index < exact.length; index++) {
    const [a, b, c] = [exact[index], ours.data[index], single.data[index]];
    if (!Number.isFinite(c) || !Number.isFinite(b)) {
      if (!Object.is(b, c) && !(Number.isNaN(b) && Number.isNaN(c))) return { problem: `element ${index} is ${b} instead of ${c}` };
      continue;
    }
    scale = Math.max(scale, Math.abs(a));
    torch = Math.max(torch, Math.abs(a - c));
    if (Math.abs(a - b) > own) {
      own = Math.abs(a - b);
      place = index;
    }
  }
  const allowed = 10 * torch + (double === undefined ? 1e-4 : 2e-6) * scale + rounding + 1e-30;
  const noise = own / allowed;
  if (noise > 1) return { noise, problem: `element ${place} is ${ours.data[place]} instead of ${exact[place]} (torch in float32: ${single.data[place]}); ${noise.toFixed(1)} times what float32 allows` };
  const width = single.shape.at(-1) ?? 1;
  if (width > 1) {
    for (let row = 0; row < exact.length; row += width) {
      const best = (data) => {
        let at = 0;
        for (let index = 1; index < width; index++) if (data[row + index] > data[row + at]) at = index;
        return at;
      };
      const [a, b] = [best(single.data), best(ours.data)];
      if (a !== b && Math.abs(exact[row + a] - exact[row + b]) > 2 * allowed) return { noise, problem: `the largest of row ${row / width} is at ${b} instead of ${a}` };
    }
  }
  return { noise };
}
