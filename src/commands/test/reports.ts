/** What was found out, for people at a terminal, for those who read a change, and for pipelines. */
import type { Style } from '../../lib/terminal.ts';

export interface CheckResult {
  readonly model: string;
  readonly name: string;
  /** Undefined where it is as it should be. */
  readonly problem: string | undefined;
  /** What was measured: `98.2 %, at least 95 %`. */
  readonly fact?: string;
  readonly durationMs: number;
}

export function textReport(results: readonly CheckResult[], style: Style): string {
  let text = '';
  let model = '';
  for (const { model: of, name, problem, fact } of results) {
    if (of !== model) text += `${model === '' ? '' : '\n'}${style.bold(of)}\n`;
    model = of;
    text += `  ${problem === undefined ? style.green('ok  ') : style.red('FAIL')}  ${name}${fact === undefined ? '' : style.dim(`  ${fact}`)}\n`;
    if (problem !== undefined) text += `        ${problem.replaceAll('\n', '\n        ')}\n`;
  }
  const failed = results.filter(({ problem }) => problem !== undefined).length;
  return `${text}\n${results.length - failed} passed${failed === 0 ? '' : `, ${style.red(`${failed} failed`)}`}\n`;
}

/** https://github.com/testmoapp/junitxml : what GitHub's actions, GitLab and Jenkins read. */
export function junitReport(results: readonly CheckResult[]): string {
  const models = [...new Set(results.map(({ model }) => model))];
  const seconds = (list: readonly CheckResult[]): string => (list.reduce((sum, { durationMs }) => sum + durationMs, 0) / 1000).toFixed(3);
  const failures = (list: readonly CheckResult[]): number => list.filter(({ problem }) => problem !== undefined).length;
  const suites = models.map((model) => {
    const own = results.filter((result) => result.model === model);
    const cases = own.map(({ name, problem, fact, durationMs }) => {
      const inner = [...(fact === undefined ? [] : [`      <system-out>${xml(fact)}</system-out>\n`]), ...(problem === undefined ? [] : [`      <failure message="${xml(problem.split('\n')[0]!)}">${xml(problem)}</failure>\n`])].join('');
      const head = `    <testcase classname="${xml(model)}" name="${xml(name)}" time="${(durationMs / 1000).toFixed(3)}"`;
      return inner === '' ? `${head}/>\n` : `${head}>\n${inner}    </testcase>\n`;
    });
    return `  <testsuite name="${xml(model)}" tests="${own.length}" failures="${failures(own)}" errors="0" skipped="0" time="${seconds(own)}">\n${cases.join('')}  </testsuite>\n`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="modelport test" tests="${results.length}" failures="${failures(results)}" errors="0" time="${seconds(results)}">\n${suites.join('')}</testsuites>\n`;
}

export function markdownReport(results: readonly CheckResult[]): string {
  const failed = results.filter(({ problem }) => problem !== undefined).length;
  const rows = results.map(({ model, name, problem, fact }) => `| ${cell(model)} | ${problem === undefined ? '✅' : '❌'} ${cell(name)} | ${cell([fact, problem?.split('\n')[0]].filter((part) => part !== undefined).join('. '))} |`);
  return `### Models: ${results.length - failed} checks passed${failed === 0 ? '' : `, **${failed} failed**`}\n\n| model | check | |\n|---|---|---|\n${rows.join('\n')}\n`;
}

function cell(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll(/\s*\n\s*/g, ' ');
}

/** XML 1.0 has no control characters, whatever their notation. */
function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\uFFFD');
}
