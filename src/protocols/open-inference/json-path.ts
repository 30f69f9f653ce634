/** Where in a JSON document a byte is: `inputs[0].data[17]`. Found only when there is something to complain about. */
import { ModelportError } from '../../errors.ts';
import { JsonError } from './json-reader.ts';

/** What the client of a request with this document is told; errors that are not about JSON are passed on. */
export function describeJsonError(error: unknown, document: Uint8Array): unknown {
  if (!(error instanceof JsonError)) return error;
  const path = jsonPathAt(document, error.offset);
  if (error.kind === 'syntax') {
    const where = path === '' ? '' : ` in ${path}`;
    return new ModelportError('INVALID_REQUEST', `failed to parse the request JSON buffer: ${error.message} at byte ${error.offset}${where}`, path === '' ? {} : { at: path });
  }
  const member = /([^.[\]]+)(?:\[\d+\])*$/.exec(path)?.[1];
  const subject = member === undefined ? 'the request' : `'${member}'`;
  return new ModelportError('INVALID_REQUEST', `Unable to parse ${subject}: ${path === '' ? '' : `${path}: `}${error.message}`, path === '' ? {} : { at: path });
}

/** The path of the value at `offset`, '' for the document itself. The document is valid up to `offset`. */
export function jsonPathAt(bytes: Uint8Array, offset: number): string {
  const stack: { array: boolean; index: number; key: string; expectsKey: boolean }[] = [];
  for (let position = 0; position < Math.min(offset, bytes.length); position++) {
    const byte = bytes[position]!;
    const top = stack.at(-1);
    switch (byte) {
      case 123:
        stack.push({ array: false, index: 0, key: '', expectsKey: true });
        break;
      case 91:
        stack.push({ array: true, index: 0, key: '', expectsKey: false });
        break;
      case 125:
      case 93:
        stack.pop();
        break;
      case 44:
        if (top === undefined) break;
        if (top.array) top.index++;
        else top.expectsKey = true;
        break;
      case 34: {
        const start = position + 1;
        position = start;
        while (position < bytes.length && bytes[position] !== 34) position += bytes[position] === 92 ? 2 : 1;
        if (position < offset && top?.expectsKey === true) {
          top.key = keyText(bytes, start, position);
          top.expectsKey = false;
        }
        break;
      }
    }
  }
  let path = '';
  for (const { array, index, key, expectsKey } of stack) {
    if (array) path += `[${index}]`;
    else if (!expectsKey) path += path === '' ? key : `.${key}`;
  }
  return path;
}

function keyText(bytes: Uint8Array, start: number, end: number): string {
  return new TextDecoder().decode(bytes.subarray(start, Math.min(end, start + 100)));
}
