/** Whether two answers are the same, up to a tolerance for numbers. */

/** Undefined where they are; else the first place that differs, and how: `probabilities.setosa is 0.2, not 0.3`. */
export function answerDifference(actual: unknown, expected: unknown, tolerance: number, place = ''): string | undefined {
  const where = place === '' ? 'the answer' : place;
  if (typeof expected === 'number' && typeof actual === 'number') return isClose(actual, expected, tolerance) ? undefined : `${where} is ${actual}, not ${expected}`;
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) return `${where} is ${show(actual)}, not a list`;
    if (actual.length !== expected.length) return `${where} has ${actual.length} elements, not ${expected.length}`;
    for (const [index, element] of expected.entries()) {
      const difference = answerDifference(actual[index], element, tolerance, `${place}[${index}]`);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  if (typeof expected === 'object' && expected !== null) {
    if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) return `${where} is ${show(actual)}, not an object`;
    for (const name of new Set([...Object.keys(expected), ...Object.keys(actual)])) {
      const inner = place === '' ? name : `${place}.${name}`;
      if (!Object.hasOwn(actual, name)) return `${inner} is missing`;
      if (!Object.hasOwn(expected, name)) return `${inner} was not there`;
      const difference = answerDifference((actual as Record<string, unknown>)[name], (expected as Record<string, unknown>)[name], tolerance, inner);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  return Object.is(actual, expected) ? undefined : `${where} is ${show(actual)}, not ${show(expected)}`;
}

/** Relative to the larger of both, absolute where both are below 1. */
function isClose(left: number, right: number, tolerance: number): boolean {
  return Object.is(left, right) || Math.abs(left - right) <= tolerance * Math.max(1, Math.abs(left), Math.abs(right));
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}

/** What counts as the answer where one is right or wrong: a class's name, or a number. */
export function verdictOf(answer: unknown): string | number | undefined {
  if (typeof answer === 'string' || typeof answer === 'number') return answer;
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { label } = answer as { label?: unknown };
  if (typeof label === 'string' || typeof label === 'number') return label;
  return Object.values(answer).find((value) => typeof value === 'number');
}
