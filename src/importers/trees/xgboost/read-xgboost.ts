/** XGBoost models as `save_model` writes them, JSON and UBJSON, and as they lie in pickles. The old binary format is recognized and refused. */
import { readUbjson } from '../../../formats/ubjson.ts';
import { Item, parseJson, refused } from '../model-file.ts';
import type { TabularModel } from '../tabular-model.ts';
import { readLearner } from './learner.ts';

type Encoding = 'json' | 'ubjson' | 'binary';

/** Of the file that begins so; undefined where it is no XGBoost model. */
export function encodingOf(start: Buffer): Encoding | undefined {
  const text = start.toString('latin1');
  if (/^\s*\{/.test(text) && /"learner"\s*:/.test(text)) return 'json';
  // The length of the name is written in one of five sizes.
  // oxlint-disable-next-line no-control-regex
  if (/^\{(?:[iU]|I\0|l\0{3}|L\0{7})(?:\x07learner\{|\x07version\[|\x06Config\{|\x05Model\{)/.test(text)) return 'ubjson';
  // Before version 1: 136 bytes of parameters, then the objective's name with its length; perhaps marked.
  const place = text.startsWith('binf') ? 140 : 136;
  if (start.length > place + 16 && start.readUInt32LE(place + 4) === 0) {
    const length = start.readUInt32LE(place);
    if (length < 64 && /^(?:reg|binary|multi|rank|count|survival):[a-z]+$/.test(text.slice(place + 8, place + 8 + length))) return 'binary';
  }
  return undefined;
}

/**
 * The model of a file's bytes, or of the bytes in a pickle. `rounds`: whether training that stopped early answers with its best iteration; default: as the file says.
 * Throws `INVALID_MODEL`.
 */
export function readXgboost(bytes: Buffer, rounds?: 'best' | 'all'): TabularModel {
  const encoding = encodingOf(bytes.subarray(0, 1 << 16));
  if (encoding === undefined) throw refused('it is no XGBoost model');
  if (encoding === 'binary') throw refused("it is in XGBoost's old binary format: load it with the XGBoost that wrote it and save it with booster.save_model('model.json')");
  const document = encoding === 'json' ? parseJson(bytes) : new Item(readUbjson(bytes), '');
  // Pickles have the settings of the training beside the model.
  const model = document.member('Model');
  return readLearner(model.isAbsent ? document : model, rounds);
}
