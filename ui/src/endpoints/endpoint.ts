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
}

export interface OutputProps {
  readonly answer: JsonValue;
}

export interface Endpoint {
  readonly model: string;
  readonly version: string;
  /** Relative to the page. */
  readonly path: string;
  /** `image-classification`, or undefined where only tensors are known. */
  readonly task: string | undefined;
  readonly examples: readonly Example[];
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
