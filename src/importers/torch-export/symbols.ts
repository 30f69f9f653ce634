/** Sizes that vary: the exporter's symbols, and the names that they get in the signature. */
import { addDimensions, floorDivideDimension, multiplyDimensions, type Dimension } from '../../onnx/dimension.ts';
import type { Size } from './program.ts';

/** Reads expressions as sympy writes them for machines: `Add(Mul(Integer(2), Symbol('s77', positive=True)), Integer(1))`; a bare `s77` too. */
export class Symbols {
  readonly #names = new Map<string, string>();

  /** The symbol that a size is, where it is one alone. */
  symbolOf(size: Size): string | undefined {
    if (typeof size === 'number') return undefined;
    return /^Symbol\('([A-Za-z_]\w*)'[^()]*\)$/.exec(size)?.[1] ?? /^([A-Za-z_]\w*)$/.exec(size)?.[1];
  }

  nameOf(symbol: string): string | undefined {
    return this.#names.get(symbol);
  }

  isTaken(name: string): boolean {
    return [...this.#names.values()].includes(name);
  }

  name(symbol: string, name: string): void {
    this.#names.set(symbol, name);
  }

  /** The size by the names of its symbols. Undefined where it has a symbol without a name, or an operation that is not known here. */
  dimension(size: Size): Dimension | undefined {
    if (typeof size === 'number') return size;
    if (size.length > 2000) return undefined;
    const place = { at: 0 };
    const result = this.#expression(size, place, 0);
    return place.at === size.length ? result : undefined;
  }

  #expression(text: string, place: { at: number }, depth: number): Dimension | undefined {
    if (depth > 30) return undefined;
    const match = /^(?:Symbol\('([A-Za-z_]\w*)'[^()]*\)|Integer\((-?\d{1,15})\)|(-?\d{1,15})(?![\w(])|(\w+)\()/.exec(text.slice(place.at)) ;
    if (match === null) {
      const bare = /^[A-Za-z_]\w*(?![\w(])/.exec(text.slice(place.at));
      if (bare === null) return undefined;
      place.at += bare[0].length;
      return this.#names.get(bare[0]);
    }
    place.at += match[0].length;
    if (match[1] !== undefined) return this.#names.get(match[1]);
    const integer = match[2] ?? match[3];
    if (integer !== undefined) return Number(integer);
    const operands: Dimension[] = [];
    for (;;) {
      const operand = this.#expression(text, place, depth + 1);
      if (operand === undefined) return undefined;
      operands.push(operand);
      if (text.startsWith(', ', place.at)) place.at += 2;
      else if (text[place.at] === ')') break;
      else return undefined;
    }
    place.at++;
    switch (match[4]) {
      case 'Add':
        return operands.reduce(addDimensions);
      case 'Mul':
        return operands.reduce(multiplyDimensions);
      case 'FloorDiv':
        return operands.length === 2 && typeof operands[1] === 'number' && operands[1] > 0 ? floorDivideDimension(operands[0]!, operands[1]) : undefined;
      default:
        return undefined;
    }
  }
}
