#!/usr/bin/env node
/**
 * Writes the table of src/packaging/base/debian-packages.ts: versions, sizes and digests of the packages that the base `debian` is made of, from the
 * index of a Debian mirror.
 *
 *     node scripts/pin-debian-packages.mjs [http://deb.debian.org/debian]
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const mirror = process.argv[2] ?? 'http://deb.debian.org/debian';
const suite = 'bookworm';
const wanted = ['ca-certificates', 'libc-bin', 'libc6', 'libgcc-s1', 'libstdc++6', 'tzdata'];
const table = {};
for (const architecture of ['amd64', 'arm64']) {
  const response = await fetch(`${mirror}/dists/${suite}/main/binary-${architecture}/Packages.xz`);
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  const text = execFileSync('xz', ['-dc'], { input: Buffer.from(await response.arrayBuffer()), maxBuffer: 2 ** 28 }).toString('utf8');
  const packages = text.split('\n\n').map((block) => Object.fromEntries(block.split('\n').flatMap((line) => (/^[A-Za-z0-9-]+: /.test(line) ? [[line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]] : []))));
  table[architecture] = wanted.map((name) => {
    const found = packages.find(({ Package }) => Package === name);
    if (found === undefined) throw new Error(`${mirror} has no ${name} for ${architecture}`);
    return { name, version: found.Version, path: found.Filename, sizeBytes: Number(found.Size), sha256: found.SHA256 };
  });
}
const path = join(import.meta.dirname, '..', 'src', 'packaging', 'base', 'debian-packages.ts');
const before = readFileSync(path, 'utf8').split('/** By Go')[0].trimEnd();
const lines = Object.entries(table).flatMap(([architecture, packages]) => [
  `  ${architecture}: [`,
  ...packages.map((entry) => `    { name: '${entry.name}', version: '${entry.version}', path: '${entry.path}', sizeBytes: ${entry.sizeBytes}, sha256: '${entry.sha256}' },`),
  '  ],',
]);
writeFileSync(path, `${before}\n\n/** By Go's name of the architecture. */\nexport const debianPackages: Readonly<Record<string, readonly PinnedPackage[]>> = {\n${lines.join('\n')}\n};\n`);
console.log(`wrote ${path}`);
