/**
 * What the page and the server say to each other, beside the Open Inference Protocol. This file imports nothing, so that
 * both sides can be checked against it. All paths are relative to the address of the page: it works behind any prefix.
 *
 *     GET  ui/models                     PageDocument
 *     POST {predict.path}                a value by `predict.input` → a value by `predict.output`; images are data URLs
 *     POST v2/models/{m}/versions/{v}/infer   where a version has no `predict`
 *     GET  metrics                       Prometheus text
 *
 * Answers of predict and infer carry `Server-Timing: queue;dur=0.2, run;dur=0.4, total;dur=1.1` (milliseconds) and
 * `Modelport-Batch-Size: 4` (rows of the run that answered). Errors are an {@link ErrorBody}; 401 makes the page ask for
 * the API key, which it then sends as `Authorization: Bearer …`.
 */

/** JSON Schema 2020-12; forms read {@link SchemaHints} in its `x-modelport`. `$ref` points into its own `$defs`. */
export type JsonSchema = { readonly [keyword: string]: unknown };

export interface PageDocument {
  readonly server: { readonly name: string; readonly version: string };
  /** By name. */
  readonly models: readonly PageModel[];
}

export interface PageModel {
  readonly name: string;
  /** Every known version, ascending; at least one. */
  readonly versions: readonly PageVersion[];
}

export type PageState = 'LOADING' | 'READY' | 'UNLOADING' | 'UNAVAILABLE';

export interface PageVersion {
  readonly version: string;
  readonly state: PageState;
  /** Why it is not ready, or ''. */
  readonly reason: string;
  /** Absent while it is not ready. */
  readonly served?: ServedVersion;
}

export interface ServedVersion {
  /** `onnxruntime_onnx`, `ensemble` … */
  readonly platform: string;
  readonly description?: string;
  readonly signature: {
    readonly inputs: readonly PageTensor[];
    readonly outputs: readonly PageTensor[];
  };
  readonly predict?: PagePredict;
  readonly batching: { readonly maxSize: number; readonly reason: string };
  readonly instances?: { readonly kind: string; readonly count: number };
  /** Since the version was loaded. */
  readonly statistics: {
    readonly requests: number;
    readonly failures: number;
    /** Rows. */
    readonly inferences: number;
    /** Runs. */
    readonly executions: number;
  };
}

export interface PageTensor {
  readonly name: string;
  /** Open Inference datatype: `FP32`, `INT64`, `BYTES` … */
  readonly datatype: string;
  /** A size, the name of a size, or -1: any. The batch axis included. */
  readonly shape: readonly (number | string)[];
  readonly optional?: boolean;
  /** Names of the classes along the last axis. */
  readonly labels?: readonly string[];
  readonly description?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly unit?: string;
}

export interface PagePredict {
  /** Hugging Face's name of the task. */
  readonly task: string;
  /** `models/iris/predict` for the version that answers where none is named, else `models/iris/versions/1/predict`. */
  readonly path: string;
  readonly input: JsonSchema;
  readonly output: JsonSchema;
  /** Values of `input` that work as they are; the first fills the form. Images are data URLs. */
  readonly examples: readonly unknown[];
}

/**
 * `x-modelport` of a schema. All optional: without them a number with `minimum` and `maximum` is a slider, an `enum` a
 * select, a string whose `contentMediaType` begins with `image/` (or whose `format` is `data-url` or `image`) an image.
 */
export interface SchemaHints {
  readonly widget?: 'slider' | 'number' | 'select' | 'text' | 'textarea' | 'switch' | 'image' | 'draw' | 'json';
  readonly unit?: string;
  readonly step?: number;
  /** Behind "More options". */
  readonly advanced?: boolean;
  /** Colours of the drawing that `draw` sends. Default: black ink on white paper. */
  readonly ink?: 'black-on-white' | 'white-on-black';
}

export interface ErrorBody {
  readonly error: string;
  /** Of the project's table of errors: `INVALID_VALUE` … */
  readonly code?: string;
  /** The field that is wrong, from the root of the value: `sepal_length`, `rows[0].petal_width`. */
  readonly at?: string;
}
