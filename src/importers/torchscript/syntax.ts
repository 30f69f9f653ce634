/** The syntax tree of TorchScript's source: the subset of Python that `torch.jit.save` prints. */

/** Where a piece of source stands. */
export interface Place {
  /** Path in the archive: `code/__torch__/model.py`. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

export type Expression =
  | { readonly kind: 'name'; readonly place: Place; readonly name: string }
  | { readonly kind: 'int'; readonly place: Place; readonly value: bigint }
  | { readonly kind: 'float'; readonly place: Place; readonly value: number }
  | { readonly kind: 'string'; readonly place: Place; readonly value: string }
  | { readonly kind: 'constant'; readonly place: Place; readonly value: boolean | null }
  | { readonly kind: 'attribute'; readonly place: Place; readonly object: Expression; readonly name: string }
  | { readonly kind: 'call'; readonly place: Place; readonly callee: Expression; readonly args: readonly Expression[]; readonly keywords: readonly Keyword[] }
  | { readonly kind: 'subscript'; readonly place: Place; readonly object: Expression; readonly index: Expression }
  /** Only as an index. */
  | { readonly kind: 'slice'; readonly place: Place; readonly start: Expression | undefined; readonly end: Expression | undefined }
  | { readonly kind: 'list' | 'tuple'; readonly place: Place; readonly elements: readonly Expression[] }
  | { readonly kind: 'dict'; readonly place: Place; readonly entries: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: 'negate'; readonly place: Place; readonly operand: Expression };

export interface Keyword {
  readonly name: string;
  readonly value: Expression;
}

export type Statement =
  /** One target, or several where the value is unpacked. */
  | { readonly kind: 'assign'; readonly place: Place; readonly targets: readonly Expression[]; readonly unpack: boolean; readonly value: Expression }
  | { readonly kind: 'expression'; readonly place: Place; readonly value: Expression }
  | { readonly kind: 'if'; readonly place: Place; readonly condition: Expression; readonly yes: readonly Statement[]; readonly no: readonly Statement[] }
  | { readonly kind: 'while'; readonly place: Place; readonly condition: Expression; readonly body: readonly Statement[] }
  | { readonly kind: 'for'; readonly place: Place; readonly target: Expression; readonly source: Expression; readonly body: readonly Statement[] }
  | { readonly kind: 'with'; readonly place: Place; readonly context: Expression; readonly target: Expression | undefined; readonly body: readonly Statement[] }
  | { readonly kind: 'assert'; readonly place: Place; readonly condition: Expression }
  | { readonly kind: 'return'; readonly place: Place; readonly value: Expression | undefined }
  | { readonly kind: 'pass'; readonly place: Place };

export interface Parameter {
  readonly name: string;
  /** A type, written as an expression. */
  readonly type: Expression | undefined;
  readonly initial: Expression | undefined;
}

export interface FunctionDefinition {
  readonly name: string;
  readonly place: Place;
  readonly parameters: readonly Parameter[];
  readonly result: Expression | undefined;
  readonly body: readonly Statement[];
}

export interface ClassDefinition {
  readonly name: string;
  readonly place: Place;
  /** `Module`, `NamedTuple`, `Enum`, `Interface` …; undefined of a plain class. */
  readonly base: string | undefined;
  /** Attributes with their types, in order. */
  readonly attributes: ReadonlyMap<string, Expression>;
  /** What is assigned in the class itself: constants (`Final`), members of an Enum, defaults of a NamedTuple. */
  readonly constants: ReadonlyMap<string, Expression>;
  readonly methods: ReadonlyMap<string, FunctionDefinition>;
}

export interface SourceModule {
  readonly classes: ReadonlyMap<string, ClassDefinition>;
  readonly functions: ReadonlyMap<string, FunctionDefinition>;
}
