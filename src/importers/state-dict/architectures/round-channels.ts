/** The multiple of `divisor` next to a number of channels, at least one and no more than a tenth below it: how scaled networks round. */
export function toMultiple(channels: number, divisor: number): number {
  const rounded = Math.max(divisor, Math.floor((channels + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * channels ? rounded + divisor : rounded;
}
