/** Probabilities of speech, chunk by chunk → stretches of speech. */

export interface SpeechSegment {
  /** In seconds. */
  readonly start: number;
  readonly end: number;
}

export interface SegmentPlan {
  readonly threshold: number;
  readonly stepSeconds: number;
  readonly minSpeechMs: number;
  readonly minSilenceMs: number;
}

/** What is a little less probable than the threshold does not end a stretch that has begun. */
const hysteresis = 0.15;

export function speechSegments(probabilities: readonly number[], { threshold, stepSeconds, minSpeechMs, minSilenceMs }: SegmentPlan): SpeechSegment[] {
  const segments: SpeechSegment[] = [];
  const close = (start: number, end: number): void => {
    if ((end - start) * stepSeconds * 1000 >= minSpeechMs) segments.push({ start: seconds(start * stepSeconds), end: seconds(end * stepSeconds) });
  };
  let start: number | undefined;
  let silent: number | undefined;
  for (const [index, probability] of probabilities.entries()) {
    if (probability >= threshold) {
      start ??= index;
      silent = undefined;
    } else if (start !== undefined && probability < Math.max(0.01, threshold - hysteresis)) {
      silent ??= index;
      if ((index + 1 - silent) * stepSeconds * 1000 >= minSilenceMs) {
        close(start, silent);
        [start, silent] = [undefined, undefined];
      }
    }
  }
  if (start !== undefined) close(start, silent ?? probabilities.length);
  return segments;
}

/** To the millisecond. */
function seconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}
