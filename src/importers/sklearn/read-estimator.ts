/** Reads a pickle, or what joblib wrote, and finds the estimator in it. Classes become data, and nothing runs. */
import { inflateSync, gunzipSync, constants } from 'node:zlib';
import { ModelportError } from '../../errors.ts';
import { compressionOf } from '../../formats/compression/decompress.ts';
import { readJoblib } from '../../formats/joblib.ts';
import { data, type PickleClasses } from '../../formats/pickle/pickle-class.ts';
import { PickledObject, describePickleValue, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import { looksLikePickle } from '../../formats/pickle/read-pickle.ts';
import { Fitted } from './fitted.ts';

/** Whatever class a file names becomes a record of its arguments and state, so that the error can name the step that is not covered. */
const everyClass: PickleClasses = (module) => (module === '' ? undefined : data);

/** The fitted estimator that a pickle holds. Throws `INVALID_MODEL`. */
function estimatorOf(value: PickleValue, name: string): Fitted {
  if (value instanceof PickledObject) return new Fitted(value);
  const inside = value instanceof Map ? [...(value as Map<PickleValue, PickleValue>)].flatMap(([key, member]) => (typeof key === 'string' && member instanceof PickledObject ? [key] : [])) : [];
  const hint = inside.length === 0 ? '' : `; it has models under ${inside.slice(0, 5).map((key) => `'${key}'`).join(', ')}: save the one that is to be served by itself`;
  throw new ModelportError('INVALID_MODEL', `${name}: the pickle holds ${describePickleValue(value)}, not an estimator${hint}`, { at: name });
}

/** Throws `INVALID_MODEL`. */
export async function readEstimator(bytes: Uint8Array, name: string): Promise<Fitted> {
  return estimatorOf(await readJoblib(bytes, { classes: everyClass, name }), name);
}

/** Whether the first bytes of a file are those of a pickle, compressed or not, that names classes of scikit-learn or of boosting libraries. */
export function looksLikeEstimator(start: Uint8Array): boolean {
  const compression = compressionOf(start);
  // Of these the beginning alone cannot be inflated; nothing else that is imported is compressed so.
  if (compression !== undefined && compression !== 'gzip' && compression !== 'zlib') return true;
  const pickle = beginningOf(start, compression);
  const text = Buffer.from(pickle.buffer, pickle.byteOffset, pickle.byteLength).toString('latin1');
  return (looksLikePickle(pickle) || oldestProtocols.test(text)) && /sklearn|imblearn|xgboost|lightgbm|catboost/.test(text);
}

/** Protocols 0 and 1 have no mark; a pickle of an object begins with the name of a class, `(` before it where it is an instance of Python 2. */
const oldestProtocols = /^\(?[ci][A-Za-z_][\w.]*\r?\n[A-Za-z_]\w*\r?\n/;

function beginningOf(start: Uint8Array, compression: string | undefined): Uint8Array {
  // What is inflated is cut off, which is no fault here.
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 1 << 26 };
  try {
    if (compression === 'gzip') return gunzipSync(start, options);
    if (compression === 'zlib') return inflateSync(start, options);
  } catch {
    return new Uint8Array(0);
  }
  return start;
}
