/** Every lowering that there is. A family is a file under `families/` and one line here. */
import type { Lowering, Lowerings } from './lowering.ts';
import { elementwise } from './families/elementwise.ts';

const families: readonly Lowerings[] = [elementwise];

/** By name without `aten::`, with or without an overload. */
export const lowerings: ReadonlyMap<string, Lowering> = new Map(families.flatMap((family) => Object.entries(family)));
