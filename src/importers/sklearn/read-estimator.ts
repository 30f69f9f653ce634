/** Reads a pickle and finds the estimator in it. Classes of the libraries that scikit-learn's models are made of are data; nothing runs. */
import { ModelportError } from '../../errors.ts';
import { numpyClasses } from '../../formats/numpy/numpy-classes.ts';
import { data, firstOf, type PickleClass, type PickleClasses } from '../../formats/pickle/pickle-class.ts';
import { PickledObject, describePickleValue, type PickleValue } from '../../formats/pickle/pickle-value.ts';
import { readPickle } from '../../formats/pickle/read-pickle.ts';
import { Fitted } from './fitted.ts';

/** What is in these modules becomes a record of its arguments and state. Functions become names. */
const dataModules = /^(?:sklearn|imblearn|scipy\.sparse|scipy\.interpolate|scipy\.stats|xgboost|lightgbm|catboost|category_encoders|pandas)(?:\.|$)/;

function libraryClasses(module: string): PickleClass | undefined {
  return dataModules.test(module) ? data : undefined;
}

/** Classes that a person wrote are read too, so that the error can name the step that has them. */
function unknownClasses(module: string): PickleClass | undefined {
  return module === '' ? undefined : data;
}

export const sklearnClasses: PickleClasses = firstOf(numpyClasses, libraryClasses, unknownClasses);

/** The fitted estimator that a pickle holds. Throws `INVALID_MODEL`. */
export function estimatorOf(value: PickleValue, name: string): Fitted {
  if (value instanceof PickledObject) return new Fitted(value);
  const inside = value instanceof Map ? [...(value as Map<PickleValue, PickleValue>)].filter(([, member]) => member instanceof PickledObject).map(([key]) => String(key)) : [];
  const hint = inside.length === 0 ? '' : `; it has models under ${inside.slice(0, 5).map((key) => `'${key}'`).join(', ')}: save the one that is to be served by itself`;
  throw new ModelportError('INVALID_MODEL', `${name}: the pickle holds ${describePickleValue(value)}, not an estimator${hint}`, { at: name });
}

export function readEstimator(bytes: Uint8Array, name: string): Fitted {
  return estimatorOf(readPickle(bytes, { classes: sklearnClasses, name }), name);
}
