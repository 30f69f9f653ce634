import { plainName } from './delimited-text.ts';

/** Cells of one row copied from a spreadsheet; with a header row above it, the columns are found by name. */
export interface PastedRow {
  readonly values: readonly string[];
  readonly names?: readonly string[];
}

/** Undefined where the text is not a row: one cell, or prose. */
export function parsePastedRow(text: string, fieldNames: readonly string[]): PastedRow | undefined {
  const lines = text.trim().split(/\r?\n/).map((line) => line.split(line.includes('\t') ? '\t' : line.includes(';') ? ';' : ',').map((cell) => cell.trim()));
  const first = lines[0]!;
  if (first.length < 2) return undefined;
  const known = new Map(fieldNames.map((name) => [plainName(name), name]));
  const header = first.map((cell) => known.get(plainName(cell)));
  if (lines.length >= 2 && header.some((name) => name !== undefined)) {
    return { values: lines[1]!, names: header.map((name) => name ?? '') };
  }
  return first.every((cell) => cell !== '' && Number.isFinite(Number(cell.replace(',', '.')))) ? { values: first } : undefined;
}
