/** What `modelport import` does and prints. */
import { bar, LiveLine } from '../lib/live-line.ts';
import { createStyle, usesColor, type Style } from '../lib/terminal.ts';
import { importOptions } from './import-artifact.ts';
import { importFile, type ImportedFile } from './import-file.ts';
import type { ImportCommandOptions } from './import.ts';
import { inspect } from './inspect.ts';

export async function runImport(file: string, options: ImportCommandOptions): Promise<void> {
  const { stdout } = process;
  const style = createStyle(usesColor(stdout));
  const line = new LiveLine();
  const notes: string[] = [];
  const { architecture, precision, input: inputs, sample, expect: expected } = options;
  let imported: ImportedFile;
  try {
    imported = await importFile(file, options.output, {
      ...importOptions({ architecture, precision, inputs: inputs === undefined ? undefined : [...inputs] }),
      overwrite: options.force === true,
      ...(sample === undefined ? {} : { sample }),
      ...(expected === undefined ? {} : { expected }),
      note: (sentence) => notes.push(sentence),
      progress: (step, part) => line.show(() => `${bar(part, 24)} ${String(Math.round(part * 100)).padStart(3)} % ${step}`),
    });
  } finally {
    line.clear();
  }
  stdout.write(await inspect(imported.model, { color: usesColor(stdout), columns: Math.min(stdout.columns ?? 100, 120) }));
  for (const note of notes) stdout.write(`\n${style.yellow('Note')}  ${note}\n`);
  stdout.write(triedLines(imported, style));
  stdout.write(`\n${style.bold('Written')}  ${imported.model}\n         ${imported.config}\n`);
}

function triedLines({ outputs, differences }: ImportedFile, style: Style): string {
  if (outputs === undefined) return '';
  const known = new Map(differences?.map((difference) => [difference.output, difference]));
  const lines = [...outputs].map(([name, shape]) => {
    const difference = known.get(name);
    const compared = difference === undefined ? '' : `  largest difference ${difference.largest.toPrecision(3)}${difference.sameLargest === undefined ? '' : difference.sameLargest ? ', the same classes win' : style.red(', other classes win')}`;
    return `  ${style.cyan(name)}  [${shape.join(', ')}]${compared}`;
  });
  return `\n${style.bold('Sample')}\n${lines.join('\n')}\n`;
}
