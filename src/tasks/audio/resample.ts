/**
 * Another number of samples a second, by a windowed sinc (Kaiser, β 5, ten zero crossings a side): the filter that SciPy's
 * `resample_poly` designs.
 */
const beta = 5;
const crossings = 10;
/** Ratios with larger terms are taken as the nearest one without: off by less than one part in a hundred million. */
const largestTerm = 20_000;

export function resample(samples: Float32Array<ArrayBuffer>, from: number, to: number): Float32Array<ArrayBuffer> {
  if (from === to || samples.length === 0) return samples;
  const [up, down] = ratio(to, from);
  const slower = Math.max(up, down);
  const half = crossings * slower;
  const taps = lowPass(half, slower, up);
  const length = Math.ceil((samples.length * up) / down);
  const resampled = new Float32Array(length);
  for (let index = 0; index < length; index++) {
    // The place of the new sample among old ones that are `up` steps apart.
    const center = index * down;
    const first = Math.max(0, Math.ceil((center - half) / up));
    const last = Math.min(samples.length - 1, Math.floor((center + half) / up));
    let sum = 0;
    for (let old = first, tap = half + center - first * up; old <= last; old++, tap -= up) sum += samples[old]! * taps[tap]!;
    resampled[index] = sum;
  }
  return resampled;
}

/** `2 · half + 1` taps of cutoff `1 / slower`; their sum is `gain`. */
function lowPass(half: number, slower: number, gain: number): Float64Array {
  const taps = Float64Array.from({ length: 2 * half + 1 }, (_, index) => {
    const x = (index - half) / slower;
    const angle = Math.PI * x;
    return (x === 0 ? 1 : Math.sin(angle) / angle) * bessel0(beta * Math.sqrt(Math.max(0, 1 - ((index - half) / half) ** 2)));
  });
  const sum = taps.reduce((a, b) => a + b, 0);
  return taps.map((tap) => (tap * gain) / sum);
}

/** Modified Bessel function of the first kind and order 0, by its power series. */
function bessel0(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

/** In lowest terms, by the continued fraction, which ends early where terms get too large. */
function ratio(numerator: number, denominator: number): readonly [number, number] {
  let [previous, current] = [[0, 1], [1, 0]] as [[number, number], [number, number]];
  let [a, b] = [numerator, denominator];
  while (b !== 0) {
    const whole = Math.floor(a / b);
    const next: [number, number] = [whole * current[0] + previous[0], whole * current[1] + previous[1]];
    if (Math.max(...next) > largestTerm) break;
    [previous, current] = [current, next];
    [a, b] = [b, a - whole * b];
  }
  return current;
}
