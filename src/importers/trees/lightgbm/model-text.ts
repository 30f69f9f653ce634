/** LightGBM's text format: lines `key=value` in sections, the header's, then one for each tree. Parameters of the training follow, which are not read. */
import { refused } from '../model-file.ts';

export interface ModelText {
  readonly header: Section;
  readonly trees: readonly Section[];
}

export class Section {
  readonly name: string;
  readonly #values = new Map<string, string>();

  constructor(name: string) {
    this.name = name;
  }

  add(line: string): void {
    const place = line.indexOf('=');
    this.#values.set(place === -1 ? line : line.slice(0, place), place === -1 ? '' : line.slice(place + 1));
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  text(key: string): string | undefined {
    return this.#values.get(key);
  }

  integer(key: string, least: number, most = 2 ** 31 - 2): number {
    const text = this.#values.get(key) ?? '';
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) throw refused(`${key} of ${this.name} should be a whole number from ${least} to ${most}, but is '${text.slice(0, 60)}'`, this.name);
    return value;
  }

  /** Numbers apart by spaces. `length`: how many there must be. */
  numbers(key: string, length?: number): Float64Array {
    const parts = (this.#values.get(key) ?? '').split(' ').filter((part) => part !== '');
    if (length !== undefined && parts.length !== length) throw refused(`${key} of ${this.name} has ${parts.length} numbers instead of ${length}`, this.name);
    const values = Float64Array.from(parts, toNumber);
    const wrong = values.findIndex(Number.isNaN);
    if (wrong !== -1) throw refused(`${key} of ${this.name} holds '${parts[wrong]!.slice(0, 60)}', which is no number`, this.name);
    return values;
  }
}

function toNumber(text: string): number {
  if (/^[+]?inf(inity)?$/i.test(text)) return Infinity;
  return /^-inf(inity)?$/i.test(text) ? -Infinity : Number(text);
}

/** Throws `INVALID_MODEL` where it is no such text or ends early. */
export function readModelText(text: string): ModelText {
  const header = new Section('the header');
  const trees: Section[] = [];
  let section = header;
  let isFirst = true;
  let start = 0;
  while (start < text.length) {
    let end = text.indexOf('\n', start);
    if (end === -1) end = text.length;
    const line = text.slice(start, text[end - 1] === '\r' ? end - 1 : end);
    start = end + 1;
    if (isFirst) {
      if (line !== 'tree') throw refused("it is no LightGBM model: its first line is not 'tree'");
      isFirst = false;
    } else if (line === 'end of trees') {
      checkVersion(header);
      return { header, trees };
    } else if (line.startsWith('Tree=')) {
      if (line !== `Tree=${trees.length}`) throw refused(`'${line.slice(0, 40)}' follows ${trees.length} trees`);
      section = new Section(line);
      trees.push(section);
    } else if (line !== '') section.add(line);
  }
  throw refused("it ends early: the line 'end of trees' is missing");
}

function checkVersion(header: Section): void {
  const version = header.text('version') ?? '';
  if (!['v2', 'v3', 'v4'].includes(version)) throw refused(`version '${version.slice(0, 20)}' of LightGBM's format is not known (v2, v3 and v4 are)`);
}
