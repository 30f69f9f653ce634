/** The commands of docs/build.md that need neither a network nor an image: they are run as they stand there. */
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root, runModelport, startModelport } from '../start-modelport.ts';

it('docs/build.md: its commands work', async () => {
  const text = readFileSync(join(root, 'docs/build.md'), 'utf8');
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block!.trim().split('\n'));
  const local = blocks.filter((line) => / --(?:dockerfile|compose|bundle)\b|models\.tar$/.test(line));
  expect(local).toHaveLength(5);
  const folder = mkdtempSync(join(tmpdir(), 'modelport-docs-'));
  try {
    cpSync(join(root, 'examples/models'), join(folder, 'models'), { recursive: true });
    const environment = { HOME: folder, XDG_CACHE_HOME: join(folder, 'cache') };
    for (const line of local) {
      const [, ...args] = line.split(' ');
      if (args[0] === 'serve') {
        const server = await startModelport({ arguments: args.slice(1), environment, cwd: folder });
        expect(((await (await fetch(`${server.url}/v2/models/digits`)).json()) as { name: string }).name).toBe('digits');
        expect(await server.stop()).toBe(0);
      } else {
        // Each is meant to be run in a folder of its own.
        const again = args.some((argument) => /^--(?:dockerfile|compose)$/.test(argument)) ? ['--force'] : [];
        expect(await runModelport([...args, ...again], { cwd: folder, environment }), line).toMatchObject({ code: 0, stderr: '' });
      }
    }
    for (const file of ['Dockerfile', '.dockerignore', 'compose.yaml', 'nginx.conf', 'models.tar']) expect(existsSync(join(folder, file)), file).toBe(true);
    // Every flag that is written about is there.
    const help = (await runModelport(['build', '--help'], { cwd: folder, environment })).stdout;
    for (const [flag] of text.slice(0, text.indexOf('## Registries')).matchAll(/(?<=`|\s)--[a-z-]+/g)) if (!['--tmpfs', '--model-control-mode'].includes(flag)) expect(help, flag).toContain(flag);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);
