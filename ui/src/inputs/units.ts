/** Longer units would leave no room for their number: they stand above it. */
const longestInside = 4;

/** Whether a unit is written beside its number: `cm`, `mmHg`; not `cubic inches`. */
export function fitsInside(unit: string): boolean {
  return unit.length <= longestInside;
}
