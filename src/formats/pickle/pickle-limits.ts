/** Limits on what a pickle may make of memory, and a check of the shape of what it made. */
import { PickledObject, pickleMembers, type PickleValue } from './pickle-value.ts';

export interface PickleLimits {
  /** Values that opcodes make. Default 20 million. */
  readonly maxObjects: number;
  /** Estimated memory of what is made, views of the file left out. Default 1 GiB and four times the file. */
  readonly maxMemoryBytes: number;
  /** How deep containers may lie in each other. Default 2000, beyond which a reader that recurses would overflow its stack. */
  readonly maxDepth: number;
  /** How many values there would be if nothing were shared ("billion laughs"). Default 1 thousand million. */
  readonly maxExpandedObjects: number;
}

export function defaultPickleLimits(sizeBytes: number): PickleLimits {
  return { maxObjects: 20_000_000, maxMemoryBytes: 2 ** 30 + 4 * sizeBytes, maxDepth: 2000, maxExpandedObjects: 1e9 };
}

/** Estimated sizes, in bytes, of V8's objects. */
export const memoryCost = { value: 8, list: 48, dict: 220, set: 200, instance: 560, memo: 24 } as const;

interface Visit {
  readonly container: object;
  readonly members: Iterator<unknown>;
  depth: number;
  expanded: number;
}

/**
 * The depth of `root` and the number of values in it counted as a tree. A reference back into a container that is still open (a cycle) counts as one value.
 * Walks with a stack of its own; stops at the limits.
 */
export function measureNesting(root: PickleValue, limits: Pick<PickleLimits, 'maxDepth' | 'maxExpandedObjects'>): 'fits' | 'too deep' | 'too many' {
  const done = new Map<object, { depth: number; expanded: number } | undefined>();
  const open: Visit[] = [];
  const enter = (value: unknown): void => {
    const members = membersOf(value);
    if (members === undefined) {
      const parent = open.at(-1);
      if (parent !== undefined) parent.expanded++;
      return;
    }
    const container = value as object;
    const parent = open.at(-1);
    if (done.has(container)) {
      const known = done.get(container);
      if (parent !== undefined) {
        parent.expanded += known?.expanded ?? 1;
        parent.depth = Math.max(parent.depth, known?.depth ?? 0);
      }
      return;
    }
    done.set(container, undefined);
    open.push({ container, members, depth: 0, expanded: 1 });
  };
  enter(root);
  for (;;) {
    const visit = open.at(-1);
    if (visit === undefined) return 'fits';
    if (open.length > limits.maxDepth) return 'too deep';
    const { value, done: finished } = visit.members.next();
    if (finished !== true) {
      enter(value);
      continue;
    }
    open.pop();
    const depth = visit.depth + 1;
    if (depth > limits.maxDepth) return 'too deep';
    if (visit.expanded > limits.maxExpandedObjects) return 'too many';
    done.set(visit.container, { depth, expanded: visit.expanded });
    const parent = open.at(-1);
    if (parent !== undefined) {
      parent.expanded += visit.expanded;
      parent.depth = Math.max(parent.depth, depth);
    }
  }
}

function membersOf(value: unknown): Iterator<unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return value.values();
  if (value instanceof Set) return value.values();
  if (value instanceof Map) return mapMembers(value);
  if (value instanceof PickledObject) return objectMembers(value);
  if (pickleMembers in value) return (value as { [pickleMembers](): Iterator<unknown> })[pickleMembers]();
  return undefined;
}

function* mapMembers(map: ReadonlyMap<unknown, unknown>): Iterator<unknown> {
  for (const [key, member] of map) {
    yield key;
    yield member;
  }
}

function* objectMembers(object: PickledObject): Iterator<unknown> {
  yield object.args;
  yield object.keywords;
  yield object.items;
  yield object.entries;
  yield object.state ?? null;
}
