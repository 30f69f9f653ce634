#!/usr/bin/env node
/**
 * Adds up the reports of all test tiers: what was skipped and why, what failed, and the counts in the last line. Exits with 1
 * where anything failed.
 *
 *     node scripts/count-results.mjs test-results
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? 'test-results';
const total = { passed: 0, failed: 0, skipped: 0 };
const failedTiers = new Set();
const lines = [];

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json')).sort()) {
  const report = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const suite of report.testResults) {
    for (const assertion of suite.assertionResults) {
      const outcome = assertion.status === 'passed' ? 'passed' : assertion.status === 'failed' ? 'failed' : 'skipped';
      counts[outcome]++;
      if (outcome === 'failed') lines.push(`failed   ${file}: ${assertion.fullName}`);
      if (outcome === 'skipped') lines.push(`skipped  ${file}: ${assertion.fullName}`);
    }
    // A file that could not even be loaded has no assertions.
    if (suite.status === 'failed' && suite.assertionResults.every((assertion) => assertion.status !== 'failed')) {
      counts.failed++;
      lines.push(`failed   ${file}: ${suite.name}: ${String(suite.message).split('\n')[0]}`);
    }
  }
  if (counts.failed > 0) failedTiers.add(file.replace(/\.json$/, ''));
  for (const key of Object.keys(total)) total[key] += counts[key];
  lines.push(`${file.replace(/\.json$/, '')}: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
}

const broken = existsSync(join(folder, 'broken')) ? readFileSync(join(folder, 'broken'), 'utf8').trim().split('\n') : [];
for (const tier of broken) {
  if (failedTiers.has(tier)) continue;
  total.failed++;
  lines.push(`failed   ${tier}: its command failed outside any test`);
}
for (const line of lines) console.log(line);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
