/** Rows copied from a spreadsheet or read from a CSV file (RFC 4180, with commas, semicolons or tabs). Pure. */

/** Cells by row. The separator is whichever the first line has. Empty lines are left out. */
export function parseDelimited(text: string): string[][] {
  const firstLine = text.slice(0, text.search(/[\r\n]/) + 1 || undefined);
  const separator = firstLine.includes('\t') ? '\t' : firstLine.includes(';') ? ';' : ',';
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const endRow = (): void => {
    row.push(cell);
    cell = '';
    if (row.some((each) => each.trim() !== '')) rows.push(row);
    row = [];
  };
  for (let at = text.charCodeAt(0) === 0xfeff ? 1 : 0; at < text.length; at++) {
    const character = text[at]!;
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[at + 1] === '"') {
        cell += '"';
        at++;
      } else quoted = false;
    } else if (character === '"' && cell.trim() === '') {
      cell = '';
      quoted = true;
    } else if (character === separator) {
      row.push(cell);
      cell = '';
    } else if (character === '\n') endRow();
    else if (character !== '\r') cell += character;
  }
  endRow();
  return rows;
}

/**
 * Rows by column. A first row that names at least one column is the header; without one the cells stand in the columns' order.
 * Names are compared without case, spaces and what stands in parentheses.
 */
export function rowsByColumn(cells: readonly (readonly string[])[], columns: readonly string[]): Record<string, string>[] {
  const known = new Map(columns.map((name) => [plainName(name), name]));
  const header = cells[0]?.map((cell) => known.get(plainName(cell)));
  const named = header !== undefined && header.some((name) => name !== undefined);
  const names = named ? header : columns;
  return cells.slice(named ? 1 : 0).map((row) => Object.fromEntries(row.flatMap((cell, index) => (names[index] === undefined ? [] : [[names[index], cell] as const]))));
}

/** `Sepal length (cm)` and `sepal_length` are the same column. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\(.*?\)/g, '').replace(/[^\p{L}\p{N}]/gu, '');
}

/** One row as CSV. Cells that a spreadsheet would take for a formula are quoted as text. */
export function formatRow(cells: readonly string[]): string {
  return cells.map((cell) => {
    const safe = /^[=@\t]|^[+-](?![\d.])/.test(cell) ? `'${cell}` : cell;
    return /[",\r\n;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }).join(',');
}
