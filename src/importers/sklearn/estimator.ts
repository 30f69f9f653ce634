/** What a converter makes of a fitted estimator: the methods that scikit-learn's has, each adding its nodes to a graph. */
import type { PickledObject } from '../../formats/pickle/pickle-value.ts';
import type { Fitted, Labels } from './fitted.ts';
import type { ColumnKind, Frame } from './frame.ts';
import type { Value } from './graph.ts';

/** Every matrix is [rows, columns], also where scikit-learn gives a list: one column then. */
export interface Estimator {
  readonly record: Fitted;
  /** Kinds of the columns that it takes; undefined where it takes numbers, or whatever it is given. */
  readonly kinds?: readonly ColumnKind[];
  /** Names of the columns, where it knows them otherwise than by `feature_names_in_`. */
  readonly columnNames?: readonly string[];
  /** A row is one text, not a list of columns. */
  readonly takesDocuments?: boolean;
  /** It takes each column as an input of its own, because it treats them differently. */
  readonly takesColumns?: boolean;
  /** Numbers of a regressor: [rows, targets]. */
  predict?(rows: Frame): Value;
  /** Columns of `predict`, and whether scikit-learn gives one column as a list. */
  readonly targets?: number;
  readonly flat?: boolean;
  /** Names of the classes; a classifier has them. */
  readonly classes?: Labels;
  /** Place of the class in `classes`: INT64 [rows, 1]. */
  classIndex?(rows: Frame): Value;
  /** FP64 [rows, classes]. */
  probabilities?(rows: Frame): Value;
  /** FP64 [rows, 1] of two classes, else [rows, classes]. */
  decision?(rows: Frame): Value;
  readonly decisionWidth?: number;
  /** Why it cannot be told whether scikit-learn would ask it for scores, or for probabilities because it has no others. */
  readonly unknownDecision?: string;
  /** Classifiers of several targets at once: one a target. */
  readonly classifiers?: readonly Estimator[];
  /** Columns of several classes that are 0 or 1: INT64 [rows, targets]. */
  multilabel?(rows: Frame): Value;
  /** Place of the cluster, or 1 and -1 of an outlier detector: INT64 [rows, 1]. */
  cluster?(rows: Frame): Value;
  /** FP64 [rows, 1]. */
  scoreSamples?(rows: Frame): Value;
  transform?(rows: Frame): Frame;
  /** Outputs beside those. */
  also?(rows: Frame): readonly Output[];
  /** The rows of a request have to do with each other, so that requests are not joined. */
  readonly joint?: boolean;
}

/** `width` is undefined where scikit-learn gives a list. */
export interface Output {
  readonly name: string;
  /** [rows, width], or [rows, 1]. */
  readonly value: Value;
  readonly width: number | undefined;
}

export type Converter = (record: Fitted, convert: Convert) => Estimator;

/** Converts an estimator that is part of another. Throws `INVALID_MODEL` naming class and version. */
export interface Convert {
  (record: Fitted): Estimator;
  readonly import: EstimatorImport;
}

/** What is known of the whole file while its parts are converted. */
export interface EstimatorImport {
  /** Told of what is left out, one sentence each. */
  note(sentence: string): void;
  /** Set where a booster's trees can only be written in ai.onnx.ml 3. */
  needsOlderTrees: boolean;
  /** Of estimators that say otherwise than scikit-learn's how many columns they take, and which. */
  readonly columns: Map<PickledObject, { readonly count: number; readonly names: readonly string[] | undefined }>;
}

/** By `module.Class`, as the newest scikit-learn names them. */
export type Converters = Readonly<Record<string, Converter>>;
