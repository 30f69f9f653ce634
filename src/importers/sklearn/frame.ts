/** The rows that an estimator is given: columns of numbers and texts, together as one matrix or apart as a data frame has them. */
import { ModelportError } from '../../errors.ts';
import { DOUBLE, STRING, type Graph, type Value } from './graph.ts';

/** Of a column that nothing reads, the kind is unknown and no input is made. */
export type ColumnKind = 'number' | 'text' | 'unused';

/** Neighbouring columns of one kind: [rows, width], FP64 or texts. */
export interface Block {
  readonly value: Value;
  readonly width: number;
}

export class Frame {
  readonly graph: Graph;
  readonly blocks: readonly Block[];
  readonly names: readonly string[] | undefined;

  constructor(graph: Graph, blocks: readonly Block[], names?: readonly string[]) {
    this.graph = graph;
    this.blocks = blocks.filter((block) => block.width > 0);
    this.names = names;
  }

  static of(graph: Graph, value: Value, width: number): Frame {
    return new Frame(graph, [{ value, width }]);
  }

  get width(): number {
    return this.blocks.reduce((total, block) => total + block.width, 0);
  }

  /** All columns as one FP64 matrix. */
  numbers(): Value {
    return this.#joined(DOUBLE, 'numbers');
  }

  texts(): Value {
    return this.#joined(STRING, 'texts');
  }

  #joined(type: number, what: string): Value {
    if (this.blocks.some((block) => (block.value.elementType === STRING) !== (type === STRING))) {
      throw new ModelportError('INVALID_MODEL', `a step wants ${what}, but gets columns of another kind`);
    }
    if (this.blocks.length === 0) throw new ModelportError('INVALID_MODEL', `a step wants ${what}, but gets no column`);
    return this.graph.concat(this.blocks.map((block) => this.graph.cast(block.value, type)));
  }

  /** One matrix of one kind, whichever it is. */
  matrix(): Value {
    return this.isText() ? this.texts() : this.numbers();
  }

  isText(): boolean {
    return this.blocks.length > 0 && this.blocks.every((block) => block.value.elementType === STRING);
  }

  column(index: number): Frame {
    return this.select([index]);
  }

  select(indices: readonly number[]): Frame {
    const whole = indices.length === this.width && indices.every((index, place) => index === place);
    if (whole) return this;
    const places: (readonly [block: number, column: number])[] = [];
    for (const [block, { width }] of this.blocks.entries()) for (let column = 0; column < width; column++) places.push([block, column]);
    const blocks: Block[] = [];
    for (let start = 0; start < indices.length; ) {
      const place = places[indices[start]!];
      if (place === undefined) throw new ModelportError('INVALID_MODEL', `a step wants column ${indices[start]} of ${this.width}`);
      let end = start + 1;
      while (end < indices.length && places[indices[end]!]?.[0] === place[0]) end++;
      const columns = indices.slice(start, end).map((index) => places[index]![1]);
      const block = this.blocks[place[0]]!;
      blocks.push({ value: columns.length === block.width && columns.every((column, index) => column === index) ? block.value : this.graph.take(block.value, columns), width: columns.length });
      start = end;
    }
    return new Frame(this.graph, blocks, this.names === undefined ? undefined : indices.map((index) => this.names![index] ?? ''));
  }

  /** The columns of all, side by side. */
  static join(graph: Graph, frames: readonly Frame[]): Frame {
    return new Frame(graph, frames.flatMap((frame) => frame.blocks));
  }
}
