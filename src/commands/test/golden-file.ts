/** Files of inputs with the answers that they must have: a JSON list, or one a line. */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { ModelportError } from '../../errors.ts';

export interface GoldenCase {
  /** For people; otherwise its place in the file. */
  readonly name?: string;
  readonly model?: string;
  readonly input: unknown;
  /** Undefined until --update writes it. */
  readonly output?: unknown;
  readonly tolerance?: number;
}

export interface GoldenFile {
  readonly path: string;
  readonly cases: GoldenCase[];
  readonly lines: boolean;
}

const known = ['name', 'model', 'input', 'output', 'tolerance'];
const largestBytes = 64 << 20;

/** Throws `INVALID_USAGE` naming file and place. */
export async function readGoldenFile(path: string): Promise<GoldenFile> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new ModelportError('INVALID_USAGE', `can't read the golden file ${path}: ${(cause as Error).message}`, { at: path, cause });
  });
  if (bytes.length > largestBytes) throw new ModelportError('INVALID_USAGE', `the golden file ${path} has more than ${largestBytes >> 20} MiB`, { at: path });
  const lines = /\.(?:jsonl|ndjson)$/i.test(path);
  const text = bytes.toString();
  const values = lines ? text.split('\n').flatMap((line, index) => (line.trim() === '' ? [] : [parse(line, `${path}, line ${index + 1}`)])) : parse(text, path);
  const list = Array.isArray(values) ? (values as unknown[]) : [values];
  return { path, lines, cases: list.map((value, index) => check(value, `${path}, case ${index + 1}`)) };
}

/** Whole or not at all. */
export async function writeGoldenFile({ path, cases, lines }: GoldenFile): Promise<void> {
  const text = lines ? cases.map((each) => `${JSON.stringify(each)}\n`).join('') : `${JSON.stringify(cases, undefined, 2)}\n`;
  await writeFile(`${path}.part`, text);
  await rename(`${path}.part`, path);
}

function parse(text: string, place: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `${place} is not valid JSON: ${(cause as Error).message}`, { at: place, cause });
  }
}

function check(value: unknown, place: string): GoldenCase {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ModelportError('INVALID_USAGE', `${place} is no object: write {"input": …, "output": …}`, { at: place });
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) throw new ModelportError('INVALID_USAGE', `${place} has '${unknown}', which means nothing here; it may have ${known.join(', ')}`, { at: place });
  const made = value as GoldenCase;
  if (!Object.hasOwn(value, 'input')) throw new ModelportError('INVALID_USAGE', `${place} has no "input"`, { at: place });
  if (made.tolerance !== undefined && !(typeof made.tolerance === 'number' && made.tolerance >= 0)) throw new ModelportError('INVALID_USAGE', `${place}: "tolerance" must be a number of at least 0`, { at: place });
  for (const name of ['name', 'model'] as const) if (made[name] !== undefined && typeof made[name] !== 'string') throw new ModelportError('INVALID_USAGE', `${place}: "${name}" must be text`, { at: place });
  return made;
}
