/** The importers that are there, one line each. The first that accepts a file's content imports it. */
import type { Importer } from '../importer.ts';
import { catboost } from './catboost/catboost.ts';
import { lightgbm } from './lightgbm/lightgbm.ts';
import { sklearn } from './sklearn/sklearn.ts';
import { xgboost } from './xgboost/xgboost.ts';

export const importers: readonly Importer[] = [xgboost, lightgbm, catboost, sklearn];
