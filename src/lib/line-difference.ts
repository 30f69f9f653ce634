/** The difference of two texts by lines, as `diff -u` shows it without its heading: `-` gone, `+` new, and `contextLines` around; empty where they are equal. */
export function lineDifference(before: string, after: string, contextLines: number): string {
  const left = linesOf(before);
  const right = linesOf(after);
  let start = 0;
  while (start < left.length && start < right.length && left[start] === right[start]) start++;
  let end = 0;
  while (end < left.length - start && end < right.length - start && left[left.length - 1 - end] === right[right.length - 1 - end]) end++;
  const steps = [...left.slice(0, start).map((line): Step => [' ', line]), ...align(left.slice(start, left.length - end), right.slice(start, right.length - end)), ...left.slice(left.length - end).map((line): Step => [' ', line])];
  const near = steps.map((_, index) => steps.slice(Math.max(0, index - contextLines), index + contextLines + 1).some(([sign]) => sign !== ' '));
  let text = '';
  for (const [index, [sign, line]] of steps.entries()) {
    if (near[index] === true) text += `${sign} ${line}\n`;
    else if (near[index - 1] === true && near.indexOf(true, index) >= 0) text += '  …\n';
  }
  return text;
}

type Step = readonly [' ' | '-' | '+', string];

/** Texts of more lines are shown whole: the table below would grow too large. */
const mostCells = 4_000_000;

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/** By the longest common subsequence. */
function align(left: readonly string[], right: readonly string[]): Step[] {
  const width = right.length + 1;
  if ((left.length + 1) * width > mostCells) return [...left.map((line): Step => ['-', line]), ...right.map((line): Step => ['+', line])];
  const lengths = new Uint32Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) lengths[i * width + j] = left[i] === right[j] ? lengths[(i + 1) * width + j + 1]! + 1 : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
  }
  const steps: Step[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      steps.push([' ', left[i]!]);
      i++;
      j++;
    } else if (i < left.length && (j === right.length || lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!)) steps.push(['-', left[i++]!]);
    else steps.push(['+', right[j++]!]);
  }
  return steps;
}
