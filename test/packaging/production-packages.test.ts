import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { findProductionPackages } from '../../src/packaging/image/production-packages.ts';

const root = mkdtempSync(join(tmpdir(), 'modelport-packages-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function install(place: string, document: Record<string, unknown>): void {
  mkdirSync(join(root, place), { recursive: true });
  writeFileSync(join(root, place, 'package.json'), JSON.stringify({ version: '1.2.3', ...document }));
}

test('what a package needs comes along, what it can do without where it is asked for', async () => {
  install('.', { name: 'server', dependencies: { router: '^1.0.0' }, optionalDependencies: { 'native-linux-x64': '1.0.0', 'native-linux-arm64': '1.0.0' }, peerDependencies: { decoder: '>=1', tracer: '>=1' } });
  install('node_modules/router', { name: 'router' });
  install('node_modules/native-linux-x64', { name: 'native-linux-x64', os: ['linux'], cpu: ['x64'] });
  install('node_modules/decoder', { name: 'decoder', dependencies: { samples: '1' } });
  install('node_modules/samples', { name: 'samples' });
  const names = async (cpu: 'x64' | 'arm64', also?: readonly string[]) => (await findProductionPackages(root, { os: 'linux', cpu }, [], also)).map(({ name, version, directory }) => [name, version, directory !== undefined]);
  expect(await names('x64')).toEqual([['native-linux-x64', '1.2.3', true], ['router', '1.2.3', true]]);
  // The other platform's binary is not on this machine.
  expect(await names('arm64', ['decoder'])).toEqual([['decoder', '1.2.3', true], ['native-linux-arm64', '1.0.0', false], ['router', '1.2.3', true], ['samples', '1.2.3', true]]);
  await expect(names('x64', ['tracer'])).rejects.toThrow('the npm package tracer, which the image is to have, is not installed beside Modelport: npm install tracer');
});
