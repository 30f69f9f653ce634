/** Comma-separated values (RFC 4180, and what spreadsheets make of it), read as they come in and written line by line. */

export type CsvRecord = { readonly line: number; readonly cells: readonly string[] } | { readonly line: number; readonly problem: string };

export interface CsvOptions {
  /** One character. Default: whichever of `,` `;` tab and `|` the first line has most of. */
  readonly delimiter?: string;
  /** Longer records are a problem of their own, and so is a quotation mark that is never closed. Default 1 MiB of characters. */
  readonly maxRecordLength?: number;
}

/**
 * Every record that is not blank, with the line it begins on (from 1). A record that can't be read is one with a `problem`; reading goes on
 * after it, at the next line: a quotation mark that was never closed costs one line, not the rest of the file.
 */
export async function* readCsv(chunks: AsyncIterable<Uint8Array>, options: CsvOptions = {}): AsyncGenerator<CsvRecord> {
  const decoder = new TextDecoder();
  const reader = new CsvReader(options);
  for await (const chunk of chunks) yield* reader.read(decoder.decode(chunk, { stream: true }), false);
  yield* reader.read(decoder.decode(), true);
}

class CsvReader {
  readonly #maxRecordLength: number;
  #delimiter: string | undefined;
  #text = '';
  #line = 1;
  /** Whether the rest of a line that is too long is being passed over. */
  #skipping = false;

  constructor({ delimiter, maxRecordLength = 1 << 20 }: CsvOptions) {
    this.#delimiter = delimiter;
    this.#maxRecordLength = maxRecordLength;
  }

  *read(more: string, last: boolean): Generator<CsvRecord> {
    const text = this.#text + more;
    let start = 0;
    while (start < text.length) {
      let end = text.indexOf('\n', start);
      if (end === -1) {
        if (!last && (this.#skipping || text.length - start <= this.#maxRecordLength)) break;
        if (!last) {
          this.#skipping = true;
          yield this.#tooLong();
          break;
        }
        end = text.length;
      }
      if (this.#skipping) {
        this.#skipping = false;
        start = end + 1;
        this.#line++;
        continue;
      }
      const row = text.slice(start, text[end - 1] === '\r' && end > start ? end - 1 : end);
      this.#delimiter ??= likelyDelimiter(row);
      if (!row.includes('"')) {
        if (row.trim() !== '') yield row.length > this.#maxRecordLength ? this.#tooLong() : { line: this.#line, cells: row.split(this.#delimiter) };
        start = end + 1;
        this.#line++;
        continue;
      }
      const record = readQuoted(text, start, this.#delimiter, this.#maxRecordLength, last);
      if (record === 'unfinished' && !last && text.length - start <= this.#maxRecordLength) break;
      if (typeof record === 'string') {
        const problem = record === 'unfinished' ? 'a quotation mark opens here and is never closed' : record;
        yield { line: this.#line, problem };
        start = end + 1;
        this.#line++;
        continue;
      }
      yield { line: this.#line, cells: record.cells };
      start = record.end;
      this.#line += record.lines;
    }
    // A later chunk begins where this one stopped.
    this.#text = this.#skipping ? '' : text.slice(start);
  }

  #tooLong(): CsvRecord {
    return { line: this.#line, problem: `the line is longer than ${this.#maxRecordLength} characters` };
  }
}

/** The record with quoted cells that begins at `start`. `end`: where the next one begins. `unfinished`: the text stops before it does. */
function readQuoted(text: string, start: number, delimiter: string, maxLength: number, last: boolean): { cells: string[]; end: number; lines: number } | 'unfinished' | (string & {}) {
  const cells: string[] = [];
  let lines = 1;
  let position = start;
  for (;;) {
    if (text[position] !== '"') {
      const stop = cellEnd(text, position, delimiter);
      cells.push(text.slice(position, text[stop] !== delimiter && text[stop - 1] === '\r' && stop > position ? stop - 1 : stop));
      position = stop;
    } else {
      let cell = '';
      let from = position + 1;
      for (;;) {
        const quote = text.indexOf('"', from);
        if (quote === -1 || quote - start > maxLength) return 'unfinished';
        cell += text.slice(from, quote);
        position = quote + 1;
        if (text[position] !== '"') break;
        cell += '"';
        from = position + 1;
      }
      for (let index = 0; index < cell.length; index++) if (cell.charCodeAt(index) === 10) lines++;
      if (text[position] === '\r' && (text[position + 1] === '\n' || position + 1 === text.length)) position++;
      if (position < text.length && text[position] !== delimiter && text[position] !== '\n') return `after the closing quotation mark of cell ${cells.length + 1} there is '${text[position]}': write quotation marks within a cell twice`;
      cells.push(cell);
    }
    if (position >= text.length && !last) return 'unfinished';
    if (position >= text.length || text[position] === '\n') return { cells, end: position + 1, lines };
    position++;
  }
}

function cellEnd(text: string, start: number, delimiter: string): number {
  for (let position = start; position < text.length; position++) {
    const character = text[position];
    if (character === delimiter || character === '\n') return position;
  }
  return text.length;
}

function likelyDelimiter(line: string): string {
  const plain = line.replace(/"[^"]*"/g, '');
  let best = ',';
  let most = 0;
  for (const candidate of [',', ';', '\t', '|']) {
    const count = plain.split(candidate).length - 1;
    if (count > most) [best, most] = [candidate, count];
  }
  return best;
}

/** One line with its line end, for readers of RFC 4180. */
export function csvLine(cells: readonly string[], delimiter = ','): string {
  return `${cells.map((cell) => (cell.includes(delimiter) || /["\r\n]|^\s|\s$/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(delimiter)}\n`;
}
