/** What a form is made for: one thing to call. Predict and infer are two; services and streams can be others. */
import type { ComponentType } from 'react';
import type { JsonValue } from '../json.ts';
import type { FieldProblem } from '../schema.ts';

export interface Summary {
  readonly text: string;
  /** A data URL. */
  readonly image?: string;
}

export interface Example {
  readonly value: unknown;
  readonly summary: Summary;
}

export interface FormProps {
  readonly value: unknown;
  readonly problems: readonly FieldProblem[];
  readonly onChange: (value: unknown) => void;
  /** Of a conversation: the answer that is being written. */
  readonly reply?: string | undefined;
}

export interface OutputProps {
  readonly answer: JsonValue;
  /** The value that was answered: some outputs are drawn on their input. */
  readonly input: unknown;
}

/** An answer in parts. */
export interface EndpointStream {
  request(value: unknown): { readonly path: string; readonly body: string };
  /** The parts so far as the answer that is shown. */
  join(parts: readonly JsonValue[]): JsonValue;
  /** The stream brings progress, then the whole answer as its only part. */
  readonly single: boolean;
}

/** What of a form many can be given of at once. */
export type BatchField =
  | { readonly kind: 'files'; readonly field: string; readonly accept: string }
  | { readonly kind: 'lines'; readonly field: string }
  | { readonly kind: 'rows'; readonly columns: readonly string[] };

export interface Batch {
  readonly over: BatchField;
  /** The form's value with one of many in its place. Throws Error where a row does not fit. */
  place(value: unknown, item: BatchItem): unknown;
}

/** One of many: a data URL or text, or the cells of a row by column. */
export type BatchItem = { readonly content: string } | { readonly cells: Readonly<Record<string, string>> };

export interface Endpoint {
  readonly model: string;
  readonly version: string;
  /** Relative to the page. */
  readonly path: string;
  /** `image-classification`, or undefined where only tensors are known. */
  readonly task: string | undefined;
  readonly examples: readonly Example[];
  /** Whether the answer comes in parts, or with progress. */
  readonly stream?: EndpointStream;
  /** Absent where a form is filled for one run at a time. */
  readonly batch?: Batch;
  /** Hears a stream of sound piece by piece; absent where it takes whole recordings only. */
  readonly listen?: {
    readonly sampleRate: number | undefined;
    /** The form's value with the next piece of the stream: a data URL. */
    place(value: unknown, piece: { readonly audio: string; readonly stream: string; readonly last: boolean }): unknown;
    /** The form's value without a recording. */
    without(value: unknown): unknown;
  };
  /** The conversation with the answer as its next message; absent where the form is none. */
  withReply?(value: unknown, answer: JsonValue): unknown;
  /** What its Python, TypeScript and Gradio clients call: values, or tensors. */
  readonly door: 'predict' | 'infer';
  /** The first example, else what makes a run possible at once. */
  initial(): unknown;
  /** A value from a link or from history; undefined where it is none of this endpoint. */
  restore(value: unknown): unknown;
  /** Nothing filled in. */
  empty(): unknown;
  /** What keeps the value from being sent. */
  problems(value: unknown): readonly FieldProblem[];
  /** JSON text of the request. Only for values without problems. */
  body(value: unknown): string;
  summarize(value: unknown): Summary;
  /** One line about the answer, for history and screen readers. */
  summarizeAnswer(answer: JsonValue): string;
  /** The field that a server's `at` means, as in `problems`; undefined when it is none of them. */
  fieldAt(at: string | undefined, message: string): string | undefined;
  readonly Form: ComponentType<FormProps>;
  readonly Output: ComponentType<OutputProps>;
}
