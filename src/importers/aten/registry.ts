/** Every lowering that there is. A family is a file under `families/` and one line here. */
import { attention } from './families/attention.ts';
import { convolutions } from './families/convolutions.ts';
import { creation } from './families/creation.ts';
import { elementwise } from './families/elementwise.ts';
import { functions } from './families/functions.ts';
import { fusedAttention } from './families/fused-attention.ts';
import { indexing } from './families/indexing.ts';
import { joining } from './families/joining.ts';
import { normalization } from './families/normalization.ts';
import { packedSequences } from './families/packed-sequences.ts';
import { parts } from './families/parts.ts';
import { pooling } from './families/pooling.ts';
import { products } from './families/products.ts';
import { recurrent } from './families/recurrent.ts';
import { reductions } from './families/reductions.ts';
import { resizing } from './families/resizing.ts';
import { shapes } from './families/shapes.ts';
import type { Lowering, Lowerings } from './lowering.ts';

const families: readonly Lowerings[] = [elementwise, functions, reductions, shapes, parts, joining, creation, indexing, products, convolutions, pooling, normalization, attention, fusedAttention, resizing, recurrent, packedSequences];

/** By name without `aten::`, with or without an overload. */
export const lowerings: ReadonlyMap<string, Lowering> = new Map(families.flatMap((family) => Object.entries(family)));
