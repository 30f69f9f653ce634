import { isObject } from '../schema.ts';

/** `{start, step, values}`: a value every `step` seconds. */
export function isTimeline(value: unknown): value is { readonly start?: number; readonly step?: number; readonly values: readonly number[] } {
  return isObject(value) && Array.isArray(value['values']) && value['values'].length > 0 && value['values'].every((each) => typeof each === 'number');
}
