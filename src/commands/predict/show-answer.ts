/** Answers for people: bars for classes, tables for rows, numbers with their names. */
import { bar } from '../../lib/live-line.ts';
import { padEnd, visibleLength, type Style } from '../../lib/terminal.ts';

const mostBars = 10;
const mostRows = 20;
const mostNumbers = 12;

/** An answer by a task's schema. */
export function showAnswer(answer: unknown, style: Style, columns: number): string {
  if (Array.isArray(answer) && answer.length > 0 && answer.every(isRecord)) return isScores(answer) ? bars(answer, style, columns) : table(answer, style, columns);
  if (!isRecord(answer)) return `${typeof answer === 'string' ? printable(answer) : JSON.stringify(answer, undefined, 2)}\n`;
  const entries = Object.entries(answer);
  const [charts, facts] = [entries.filter(([, value]) => scoresOf(value) !== undefined), entries.filter(([, value]) => scoresOf(value) === undefined)];
  const width = Math.max(0, ...facts.map(([name]) => visibleLength(name)));
  const lines = facts.map(([name, value]) => `  ${style.dim(padEnd(printable(name), width))}  ${scalar(value, style)}\n`);
  return [...lines, ...charts.map(([, value]) => `\n${bars(scoresOf(value)!, style, columns)}`)].join('');
}

interface Score {
  readonly label: string;
  readonly score: number;
}

function isScores(value: readonly unknown[]): value is Score[] {
  return value.length > 0 && value.every((each) => isRecord(each) && typeof each['label'] === 'string' && typeof each['score'] === 'number' && Object.keys(each).length === 2);
}

/** A list of labels with scores, or an object of probabilities. */
function scoresOf(value: unknown): readonly Score[] | undefined {
  if (Array.isArray(value)) return isScores(value) ? value : undefined;
  if (!isRecord(value)) return undefined;
  const entries = Object.entries(value);
  if (entries.length < 2 || !entries.every(([, score]) => typeof score === 'number' && score >= 0 && score <= 1)) return undefined;
  return entries.map(([label, score]) => ({ label, score: score as number })).sort((a, b) => b.score - a.score);
}

function bars(scores: readonly Score[], style: Style, columns: number): string {
  const shown = scores.slice(0, mostBars);
  const width = Math.min(Math.max(...shown.map(({ label }) => visibleLength(printable(label)))), Math.max(12, columns - 40));
  const room = Math.max(10, Math.min(40, columns - width - 14));
  const most = Math.max(1, ...shown.map(({ score }) => score));
  const lines = shown.map(({ label, score }, place) => {
    const name = padEnd(shorten(printable(label), width), width);
    return `  ${place === 0 ? style.bold(name) : name}  ${style.cyan(bar(score / most, room))}  ${percent(score)}`;
  });
  if (scores.length > shown.length) lines.push(style.dim(`  and ${scores.length - shown.length} more`));
  return `${lines.join('\n')}\n`;
}

function percent(score: number): string {
  if (score > 1 || score < 0) return String(score);
  return `${(score * 100).toFixed(1).padStart(5)} %`;
}

function table(rows: readonly Record<string, unknown>[], style: Style, columns: number): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((name) => rows.some((row) => typeof row[name] !== 'object'));
  const shown = rows.slice(0, mostRows).map((row, index) => [String(index), ...names.map((name) => (row[name] === undefined ? '' : cell(row[name])))]);
  const lines = aligned([['', ...names.map(printable)], ...shown], columns);
  const [head, ...body] = lines;
  const hidden = rows.length - shown.length;
  return `${[style.dim(head!), ...body, ...(hidden > 0 ? [style.dim(`  and ${hidden} more rows: --json shows all`)] : [])].join('\n')}\n`;
}

/** The answer to tensors: each output with its shape and as many elements as one reads. */
export function showTensors(text: string, style: Style, columns: number): string {
  const { outputs } = JSON.parse(exact(text)) as { readonly outputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[]; readonly data: readonly unknown[] }[] };
  return `${outputs.map(({ name, datatype, shape, data }) => `${style.bold(printable(name))}  ${style.dim(`${datatype} [${shape.join(', ')}]`)}\n${elements(data.flat(Infinity), shape, style, columns)}`).join('\n\n')}\n`;
}

function elements(data: readonly unknown[], shape: readonly number[], style: Style, columns: number): string {
  const perRow = shape.at(-1) ?? 1;
  const rows = shape.length === 0 ? 1 : shape.slice(0, -1).reduce((product, size) => product * size, 1);
  if (data.length === 0) return style.dim('  no elements');
  const shown = Array.from({ length: Math.min(rows, mostRows) }, (_, row) => {
    const cells = data.slice(row * perRow, row * perRow + Math.min(perRow, mostNumbers)).map(cell);
    return perRow > mostNumbers ? [...cells, '…'] : cells;
  });
  const lines = aligned(shown, columns);
  if (rows > shown.length) lines.push(style.dim(`  and ${rows - shown.length} more rows`));
  const numbers = data.filter((each): each is number => typeof each === 'number');
  if (numbers.length === data.length && data.length > mostNumbers) {
    let [least, most, sum] = [Infinity, -Infinity, 0];
    for (const number of numbers) [least, most, sum] = [Math.min(least, number), Math.max(most, number), sum + number];
    lines.push(style.dim(`  ${data.length.toLocaleString('en-US')} elements from ${cell(least)} to ${cell(most)}, mean ${cell(sum / numbers.length)}`));
  }
  return lines.join('\n');
}

/** NaN, the infinities and integers beyond 2^53, which `JSON.parse` refuses or rounds, as text. */
function exact(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity)|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) => {
    const isWord = /^-?[NI]/.test(token);
    return isWord || (/^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token))) ? `"${token}"` : token;
  });
}

/** One line an answer, for many of them. */
export function answerLine(answer: unknown, style: Style): string {
  if (!isRecord(answer)) return printable(typeof answer === 'string' ? answer : JSON.stringify(answer));
  const facts = Object.entries(answer).filter(([, value]) => typeof value !== 'object');
  if (facts.length === 0) return printable(JSON.stringify(answer));
  return facts.map(([name, value]) => `${style.dim(`${printable(name)} `)}${cell(value)}`).join('  ');
}

function aligned(rows: readonly (readonly string[])[], columns: number): string[] {
  const widths: number[] = [];
  for (const row of rows) row.forEach((each, index) => (widths[index] = Math.max(widths[index] ?? 0, visibleLength(each))));
  return rows.map((row) => {
    const line = `  ${row.map((each, index) => padEnd(each, widths[index]!)).join('  ')}`.trimEnd();
    return visibleLength(line) > columns ? `${[...line].slice(0, columns - 1).join('')}…` : line;
  });
}

function scalar(value: unknown, style: Style): string {
  if (typeof value === 'object') return printable(JSON.stringify(value));
  return style.bold(cell(value));
}

function cell(value: unknown): string {
  if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(5)));
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}

function shorten(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length - 1)}…` : text;
}

/** Texts come from models and files: what would move the cursor is shown as a space. */
function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.slice(0, 4000).replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
