/** YAML (1.2, core schema) into plain values, with the line of every value, and limits that keep hostile text cheap. */
import { isAlias, isCollection, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import { ModelportError } from '../errors.ts';

export interface YamlText {
  readonly value: unknown;
  /** Line, counted from 1, of the value at a path like `inputs[0].shape`; of the nearest around it where it has none. */
  lineOf(path: string): number | undefined;
}

const maximumDepth = 40;
/** The reader's recursion and its time grow with brackets that open and never close. */
const maximumOpenBrackets = 2_000;

/** Throws `INVALID_CONFIG` naming file and line. */
export function parseYaml(text: string, fileName: string): YamlText {
  const lineCounter = new LineCounter();
  const fail = (message: string, offset: number): never => {
    const at = `${fileName}:${lineCounter.linePos(offset).line}`;
    throw new ModelportError('INVALID_CONFIG', `${message} (${at})`, { at });
  };
  rejectDeepText(text, fileName);
  let document: Document.Parsed;
  try {
    document = parseDocument(text, { lineCounter, prettyErrors: false, uniqueKeys: false, logLevel: 'silent', schema: 'core', version: '1.2' });
  } catch (cause) {
    throw new ModelportError('INVALID_CONFIG', `${fileName} is not valid YAML: ${cause instanceof RangeError ? 'it is nested too deeply' : (cause as Error).message}`, { at: fileName, cause });
  }
  const problem = document.errors[0] ?? document.warnings[0];
  if (problem !== undefined) fail(`not valid YAML: ${/call stack/.test(problem.message) ? 'it is nested too deeply' : problem.message}`, problem.pos[0]);

  const lines = new Map<string, number>();
  const visit = (node: unknown, path: string, depth: number): unknown => {
    if (isAlias(node)) fail('aliases (*name) are not covered: write the value out', node.range?.[0] ?? 0);
    if (depth > maximumDepth) fail(`nested more than ${maximumDepth} deep`, rangeStart(node));
    if (!lines.has(path)) lines.set(path, lineCounter.linePos(rangeStart(node)).line);
    if (isMap(node)) {
      const entries: Record<string, unknown> = {};
      for (const pair of node.items) {
        if (!isPair(pair) || !isScalar(pair.key)) return fail('keys are plain words', rangeStart(pair));
        const key = String(pair.key.value);
        if (Object.hasOwn(entries, key)) fail(`the key '${key}' is given twice`, rangeStart(pair.key));
        const at = path === '' ? key : `${path}.${key}`;
        lines.set(at, lineCounter.linePos(rangeStart(pair.key)).line);
        Object.defineProperty(entries, key, { value: visit(pair.value, at, depth + 1), enumerable: true, configurable: true, writable: true });
      }
      return entries;
    }
    if (isSeq(node)) return node.items.map((item, index) => visit(item, `${path}[${index}]`, depth + 1));
    return isScalar(node) ? node.value : null;
  };
  const value = visit(document.contents, '', 0);
  return {
    value,
    lineOf: (path) => {
      for (let outer = path; outer !== ''; outer = outer.replace(/(?:^|\.)[^.[\]]+$|\[[^\]]*\]$/, '')) {
        const line = lines.get(outer);
        if (line !== undefined) return line;
      }
      return undefined;
    },
  };
}

function rangeStart(node: unknown): number {
  return isCollection(node) || isScalar(node) || isAlias(node) ? (node.range?.[0] ?? 0) : 0;
}

function rejectDeepText(text: string, fileName: string): void {
  let open = 0;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 0x5b || code === 0x7b) open++;
    else if ((code === 0x5d || code === 0x7d) && open > 0) open--;
    if (open > maximumOpenBrackets) throw new ModelportError('INVALID_CONFIG', `${fileName} is nested too deeply`, { at: fileName });
  }
}
