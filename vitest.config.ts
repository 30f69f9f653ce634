import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

const root = import.meta.dirname;

/**
 * Tests name sources (`../src/tensor.ts`) and run what is built from them (`dist/tensor.js`), because that is what users run
 * and what worker threads and child processes can load on every supported Node. `npm test` builds first.
 */
const builtSources = {
  name: 'built-sources',
  enforce: 'pre' as const,
  resolveId(source: string, importer: string | undefined) {
    if (importer === undefined || !source.startsWith('.') || !source.endsWith('.ts')) return undefined;
    const path = resolve(dirname(importer), source);
    if (!path.startsWith(join(root, 'src') + '/')) return undefined;
    const built = path.replace(join(root, 'src'), join(root, 'dist')).replace(/\.ts$/, '.js');
    if (!existsSync(built)) throw new Error(`${built} is missing: run \`npm run build\` first`);
    return { id: built, external: true };
  },
};

const tier = process.env['MODELPORT_TEST_TIER'] ?? 'unit';
// Where a run that counts over several tiers wants a report of each.
const results = process.env['MODELPORT_TEST_RESULTS'];
const tiers: Record<string, string[]> = {
  unit: ['test/**/*.test.ts'],
  clients: ['test/clients/**/*.test.ts'],
  browser: ['test/browser/**/*.test.ts'],
  containers: ['test/containers/**/*.test.ts'],
  kubernetes: ['test/kubernetes/**/*.test.ts'],
};

export default defineConfig({
  plugins: [builtSources],
  test: {
    include: tiers[tier] ?? [],
    exclude: tier === 'unit' ? ['test/clients/**', 'test/browser/**', 'test/containers/**', 'test/kubernetes/**', 'node_modules/**'] : ['node_modules/**'],
    testTimeout: 30_000,
    // The check runs on shared machines: a test that fails there is tried again before it counts. By hand the first failure shows.
    retry: process.env['CI'] === undefined ? 0 : 2,
    hookTimeout: 120_000,
    ...(results === undefined ? {} : { reporters: ['default', 'json'], outputFile: { json: join(results, `${process.env['MODELPORT_TEST_TIER_NAME'] ?? tier}.json`) } }),
    pool: 'forks',
    maxWorkers: 2,
  },
});
