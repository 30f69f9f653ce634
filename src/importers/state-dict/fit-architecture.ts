/** Compares the weights of a file with those that architectures ask for, by name and shape. */
import { GraphBuilder } from '../../onnx/graph-builder.ts';
import type { Architecture } from './architecture.ts';
import { buildGraph, type PictureSizes } from './build-graph.ts';
import { Rehearsal, type StoredWeights } from './weights.ts';

export interface Misfit {
  /** Names that the architecture asks for and the file lacks. */
  readonly missing: readonly string[];
  readonly reshaped: readonly { readonly key: string; readonly found: readonly number[]; readonly wanted: readonly number[] }[];
  /** Names in the file that nothing asks for. */
  readonly unused: readonly string[];
  /** How many names and shapes are the same. */
  readonly equal: number;
}

export interface Fit extends Misfit {
  readonly architecture: Architecture;
}

/** A count of training steps, which no answer depends on. */
const ignored = /(?:^|\.)num_batches_tracked$/;

/** The weights by the names that the architecture knows. */
export function renamed(weights: StoredWeights, { rename }: Architecture): StoredWeights {
  return rename === undefined ? weights : new Map([...weights].map(([key, weight]) => [rename(key), weight]));
}

export function fit(architecture: Architecture, weights: StoredWeights, sizes?: PictureSizes): Fit {
  const stored = renamed(weights, architecture);
  const rehearsal = new Rehearsal(stored);
  buildGraph(architecture, new GraphBuilder({ opset: 20 }), rehearsal, sizes);
  return { architecture, ...compareShapes(rehearsal.asked, stored) };
}

/** What is asked for against what is there. `isLeftAside`: what may be there without being asked for. */
export function compareShapes(asked: ReadonlyMap<string, readonly number[]>, stored: StoredWeights, isLeftAside: (key: string) => boolean = () => false): Misfit {
  const missing: string[] = [];
  const reshaped: { key: string; found: readonly number[]; wanted: readonly number[] }[] = [];
  let equal = 0;
  for (const [key, wanted] of asked) {
    const found = stored.get(key)?.shape;
    if (found === undefined) missing.push(key);
    else if (found.join() !== wanted.join()) reshaped.push({ key, found, wanted });
    else equal++;
  }
  const unused = [...stored.keys()].filter((key) => !asked.has(key) && !ignored.test(key) && !isLeftAside(key));
  return { missing, reshaped, unused, equal };
}

export function fits({ missing, reshaped, unused }: Misfit): boolean {
  return missing.length + reshaped.length + unused.length === 0;
}

/** What is wrong, with names. */
export function describeMisfit({ missing, reshaped, unused }: Misfit): string {
  const parts = [
    listed(missing, missing.length === 1 ? 'weight is missing' : 'weights are missing'),
    listed(
      reshaped.map(({ key, found, wanted }) => `${key} is [${found.join(', ')}] instead of [${wanted.join(', ')}]`),
      reshaped.length === 1 ? 'has another shape' : 'have other shapes',
    ),
    listed(unused, unused.length === 1 ? 'is not used' : 'are not used'),
  ];
  return parts.filter((part) => part !== '').join('; ');
}

const mostListed = 6;

function listed(texts: readonly string[], what: string): string {
  if (texts.length === 0) return '';
  const shown = texts.slice(0, mostListed).map((text) => text.slice(0, 200));
  return `${texts.length} ${what} (${shown.join(', ')}${texts.length > shown.length ? ', …' : ''})`;
}

/** The architectures whose first layer is there, those that fit best first. */
export function recognize(candidates: readonly Architecture[], weights: StoredWeights): Fit[] {
  return candidates
    .filter((architecture) => renamed(weights, architecture).get(architecture.stem)?.shape.length === 4)
    .map((architecture) => fit(architecture, weights))
    .sort((left, right) => likeness(right) - likeness(left));
}

/** The part of all names that both have with the same shape. */
export function likeness({ equal, missing, reshaped, unused }: Fit): number {
  return equal / Math.max(1, equal + missing.length + reshaped.length + unused.length);
}
