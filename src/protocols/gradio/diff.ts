/** What changed between two values, as `apply_diff` of the clients wants it: https://github.com/gradio-app/gradio/blob/main/client/python/gradio_client/utils.py. */

export type Edit = readonly ['append' | 'replace' | 'add' | 'delete', readonly (string | number)[], unknown];

/** Both are values of JSON. A member that is undefined does not exist. */
export function diff(before: unknown, after: unknown): readonly Edit[] {
  const edits: Edit[] = [];
  compare(before, after, [], edits);
  return edits;
}

function compare(before: unknown, after: unknown, path: readonly (string | number)[], edits: Edit[]): void {
  if (Object.is(before, after)) return;
  if (typeof before === 'string' && typeof after === 'string' && after.startsWith(before)) {
    edits.push(['append', path, after.slice(before.length)]);
  } else if (Array.isArray(before) && Array.isArray(after)) {
    const common = Math.min(before.length, after.length);
    for (let index = 0; index < common; index++) compare(before[index], after[index], [...path, index], edits);
    // From the end, so that no deletion moves what the next one means.
    for (let index = before.length - 1; index >= common; index--) edits.push(['delete', [...path, index], null]);
    for (let index = common; index < after.length; index++) edits.push(['add', [...path, index], after[index] as unknown]);
  } else if (isObject(before) && isObject(after)) {
    for (const [name, member] of Object.entries(before)) {
      if (member === undefined) continue;
      if (after[name] === undefined || !Object.hasOwn(after, name)) edits.push(['delete', [...path, name], null]);
      else compare(member, after[name], [...path, name], edits);
    }
    for (const [name, member] of Object.entries(after)) if (member !== undefined && (before[name] === undefined || !Object.hasOwn(before, name))) edits.push(['add', [...path, name], member]);
  } else {
    edits.push(['replace', path, after]);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
