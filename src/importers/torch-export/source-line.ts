/** The line of the program that a node comes from. */

/** The innermost frame that is not PyTorch's own, of a Python stack trace; the innermost at all where there is none: `model.py line 7: y = self.fc(x)`. */
export function sourceLineOf(trace: string): string | undefined {
  const frames: { file: string; line: string; code: string }[] = [];
  const lines = trace.slice(0, 20_000).split('\n');
  for (const [index, text] of lines.entries()) {
    const match = /^\s*File "(.+)", line (\d+)(?:, in .*)?$/.exec(text);
    if (match !== null) frames.push({ file: match[1]!, line: match[2]!, code: /^\s*File "/.test(lines[index + 1] ?? '') ? '' : (lines[index + 1] ?? '').trim() });
  }
  const own = frames.findLast(({ file }) => !/(?:^|[\\/])torch[\\/]|^</.test(file)) ?? frames.at(-1);
  if (own === undefined) return undefined;
  const file = own.file.split(/[\\/]/).slice(-2).join('/');
  return `${file} line ${own.line}${own.code === '' ? '' : `: ${own.code.slice(0, 160)}`}`;
}
