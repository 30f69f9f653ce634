/**
 * Imports what `sklearn_cases.py` saved and compares every answer with scikit-learn's: one row a case, and docs/sklearn-coverage.md.
 * Usage: npm run parity:sklearn [-- FOLDER]; MODELPORT_SKLEARN_PYTHON names a Python that has scikit-learn, pandas and joblib.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareCase } from './sklearn-compare.mjs';

const given = process.argv.slice(2);
const folder = given[0] ?? join(tmpdir(), 'modelport-parity-sklearn');
if (!existsSync(join(folder, 'cases.json'))) {
  execFileSync(process.env['MODELPORT_SKLEARN_PYTHON'] ?? 'python3', [new URL('sklearn_cases.py', import.meta.url).pathname, folder], { stdio: 'inherit' });
}
const { version, cases } = JSON.parse(readFileSync(join(folder, 'cases.json'), 'utf8'));
const results = [];
for (const row of cases) {
  const result = row.file === undefined ? { verdict: 'skipped', detail: row.skipped } : await compareCase(row, folder);
  results.push({ ...row, ...result });
  console.log(`${result.verdict.padEnd(8)} ${row.estimator}${row.label === '' ? '' : ` (${row.label})`}${result.detail === undefined ? '' : `: ${result.detail}`}`);
}
const count = (verdict) => results.filter((result) => result.verdict === verdict).length;
const byEstimator = Map.groupBy?.(results, (result) => result.estimator) ?? results.reduce((map, result) => map.set(result.estimator, [...(map.get(result.estimator) ?? []), result]), new Map());
const names = [...byEstimator.keys()].filter((name) => byEstimator.get(name).some((result) => result.verdict !== 'skipped'));
const whole = names.filter((name) => byEstimator.get(name).every((result) => result.verdict === 'agrees' || result.verdict === 'skipped'));
const summary = `${whole.length} of ${names.length} estimators agree in every case (${((100 * whole.length) / names.length).toFixed(0)} %); cases: ${count('agrees')} agree, ${count('refused')} refused by name, ${count('WRONG')} WRONG, ${count('skipped')} skipped`;
console.log(`\n${summary}`);
const line = (result) => `| ${result.estimator} | ${result.label || 'default'} | ${result.verdict} | ${(result.detail ?? '').replaceAll('|', '\\|').replaceAll('\n', ' ')} |`;
if (given.length < 2) {
  writeFileSync(
    new URL('../../docs/sklearn-coverage.md', import.meta.url),
    `# What is imported from scikit-learn

Every estimator of \`sklearn.utils.all_estimators()\` that answers for new rows, fitted on small data with scikit-learn ${version}, saved as pickle or joblib, imported, run, and compared:
labels are equal and numbers differ by at most 1e-5 of their size. Written by \`npm run parity:sklearn\` on ${new Date().toISOString().slice(0, 10)}.

**${summary}.**

| estimator | case | verdict | largest difference, or reason |
|---|---|---|---|
${results.map(line).join('\n')}
`,
  );
}
process.exitCode = count('WRONG') > 0 ? 1 : 0;
