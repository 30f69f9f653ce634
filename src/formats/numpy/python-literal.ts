/** Python literals as `.npy` headers hold them: dicts, lists, tuples, text, ints, True, False, None. Dicts become Maps. */
import { ModelportError } from '../../errors.ts';

export type PythonLiteral = null | boolean | number | string | readonly PythonLiteral[] | ReadonlyMap<string, PythonLiteral>;

const maxDepth = 32;
const token = /\s*(?:([()[\]{},:])|([bu]?'(?:[^'\\]|\\.)*'|[bu]?"(?:[^"\\]|\\.)*")|(-?[0-9]{1,16}L?)(?![0-9A-Za-z_.])|(True|False|None)\b)/y;

/** Throws `INVALID_MODEL`. */
export function parsePythonLiteral(text: string): PythonLiteral {
  let position = 0;
  const fail = (): never => {
    throw new ModelportError('INVALID_MODEL', `at character ${position}, ${JSON.stringify(text.slice(position, position + 20))} is no Python literal`);
  };
  const next = (): RegExpExecArray => {
    token.lastIndex = position;
    const match = token.exec(text);
    if (match === null) return fail();
    position = token.lastIndex;
    return match;
  };
  const peek = (mark: string): boolean => {
    token.lastIndex = position;
    const match = token.exec(text);
    if (match?.[1] !== mark) return false;
    position = token.lastIndex;
    return true;
  };
  const sequence = (end: string, depth: number): { items: PythonLiteral[]; comma: boolean } => {
    const items: PythonLiteral[] = [];
    let comma = false;
    while (!peek(end)) {
      if (items.length > 0 && !comma) fail();
      items.push(value(depth + 1));
      comma = peek(',');
    }
    return { items, comma };
  };
  const value = (depth: number): PythonLiteral => {
    if (depth > maxDepth) fail();
    const [, mark, quoted, digits, name] = next();
    if (quoted !== undefined) return unquote(quoted);
    if (digits !== undefined) return Number(digits.replace('L', ''));
    if (name !== undefined) return name === 'None' ? null : name === 'True';
    if (mark === '[') return sequence(']', depth).items;
    if (mark === '(') {
      const { items, comma } = sequence(')', depth);
      return items.length === 1 && !comma ? items[0]! : items;
    }
    if (mark !== '{') return fail();
    const dict = new Map<string, PythonLiteral>();
    for (let first = true; !peek('}'); first = false) {
      if (!first && !peek(',')) fail();
      if (peek('}')) break;
      const key = value(depth + 1);
      if (typeof key !== 'string' || !peek(':')) return fail();
      dict.set(key, value(depth + 1));
    }
    return dict;
  };
  const result = value(0);
  if (text.slice(position).trim() !== '') fail();
  return result;
}

function unquote(quoted: string): string {
  const text = quoted.replace(/^[bu]/, '').slice(1, -1);
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))/g, (whole: string, byte: string | undefined, unit: string | undefined, letter: string | undefined) => {
    const code = byte ?? unit;
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return letter === 'n' ? '\n' : letter === 't' ? '\t' : letter === '\\' || letter === "'" || letter === '"' ? letter : whole;
  });
}
