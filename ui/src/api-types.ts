/**
 * What the page and the server say to each other, beside the Open Inference Protocol. This file imports nothing, so that
 * both sides can be checked against it. All paths are relative to the address of the page: it works behind any prefix.
 *
 *     GET  ui/models                     PageDocument
 *     POST {predict.path}                a value by `predict.input` → a value by `predict.output`; images are data URLs
 *     POST v2/models/{m}/versions/{v}/infer   where a version has no `predict`
 *     GET  metrics                       Prometheus text
 *     GET  ui/queue/{m}/{v}              QueueFacts
 *     GET  ui/flags/{m}                  FlagCount; where answers may not be flagged: 401, 403 or 404
 *     POST ui/flags/{m}/{v}              {note, input, output}, the last two as JSON text
 *     GET  ui/flags/{m}/lines            all flags of a model, one line of JSON each
 *
 * Answers of predict and infer carry `Server-Timing: queue;dur=0.2, run;dur=0.4, total;dur=1.1` (milliseconds) and
 * `Modelport-Batch-Size: 4` (rows of the run that answered). With `Accept: text/event-stream` predict answers in events: parts of the
 * answer without a name, `progress` ({@link ProgressReport}), then `end`; `error` where it fails half way. Errors are an {@link ErrorBody}; 401 makes the page ask for
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
  /** Schema of one part of an answer that comes in parts; `output` is the list of all. */
  readonly part?: JsonSchema;
  /** `parts`: predict streams; `tokens`: `tokensPath` streams what is added to the text `prompt`. */
  readonly stream?: 'parts' | 'tokens';
  /** Triton's generate extension: `{text_input, parameters}` → events with `text_output`. */
  readonly tokensPath?: string;
  /** One line, and more. */
  readonly summary?: string;
  readonly description?: string;
  /** Of an endpoint of a service: its address of its own, and its service as first tag. */
  readonly http?: { readonly method: string; readonly path: string; readonly tags?: readonly string[] };
}

export interface ProgressReport {
  /** From 0 to 1. */
  readonly fraction?: number;
  readonly text?: string;
}

export interface QueueFacts {
  /** Requests that wait or run. */
  readonly inProgress: number;
  /** Since the version was loaded. */
  readonly answered: number;
}

export interface FlagCount {
  readonly model: string;
  readonly count: number;
  readonly sizeBytes: number;
}

/** How a form asks for a value. */
export type InputWidget = 'slider' | 'number' | 'select' | 'text' | 'textarea' | 'lines' | 'tags' | 'switch' | 'image' | 'draw' | 'audio' | 'file' | 'table' | 'tensor' | 'chat' | 'json';

/** How a page shows a value. */
export type OutputWidget = 'labels' | 'ranking' | 'boxes' | 'masks' | 'entities' | 'spans' | 'timeline' | 'line' | 'text' | 'textarea' | 'image' | 'audio' | 'video' | 'file' | 'table' | 'chat' | 'tensor' | 'json';

/**
 * `x-modelport` of a schema. All optional: without them a number with `minimum` and `maximum` is a slider, an `enum` a
 * select, a string whose `contentMediaType` begins with `image/` (or whose `format` is `data-url` or `image`) an image, a list of
 * objects of scalars a table; an answer is shown as what it looks like.
 */
export interface SchemaHints {
  readonly widget?: InputWidget | OutputWidget;
  readonly unit?: string;
  readonly step?: number;
  /** Behind "More options". */
  readonly advanced?: boolean;
  /** Colours of the drawing that `draw` sends. Default: black ink on white paper. */
  readonly ink?: 'black-on-white' | 'white-on-black';
  /** Of `audio`: samples a second that need no conversion. */
  readonly sampleRate?: number;
  /** Of `tensor`. */
  readonly datatype?: string;
  readonly shape?: readonly number[];
  /** Of `boxes` and `masks`: the member of the input that holds the picture. */
  readonly image?: string;
  /** Of `timeline`: the member of the input that holds the recording, and of the answer with `{start, end}` in seconds. */
  readonly audio?: string;
  readonly segments?: string;
  /** Of `entities` and `spans`: the member of the answer or of the input that holds the text. */
  readonly textField?: string;
  /** Of `labels`, `ranking`, `boxes`: the member of an item that names it. */
  readonly label?: string;
  /** `stream`: the name under which pieces of one recording follow each other; `stream-end`: that this one is the last. */
  readonly role?: 'stream' | 'stream-end';
}

export interface ErrorBody {
  readonly error: string;
  /** Of the project's table of errors: `INVALID_VALUE` … */
  readonly code?: string;
  /** The field that is wrong, from the root of the value: `sepal_length`, `rows[0].petal_width`. */
  readonly at?: string;
  /** FastAPI's list, where there is more to say. */
  readonly detail?: readonly { readonly loc: readonly (string | number)[]; readonly msg: string }[];
}
