/** Every block of the README is executed, or checked in the way that its kind allows; a block that no rule knows fails. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCatalogue } from '../src/commands/example/examples.ts';
import { modelConfigSchema } from '../src/model-config.ts';
import { root, runModelport, startModelport } from './start-modelport.ts';

interface Block {
  readonly language: string;
  readonly text: string;
  readonly index: number;
}

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks: Block[] = [...readme.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].map((match, index) => ({ language: match[1]!, text: match[2]!.trim(), index }));

let child: ChildProcess;
let port: number;
beforeAll(async () => {
  port = await freePort();
  // The first block is run as a person runs it, on another port: the packages are there already.
  child = spawn('npm', ['start'], { cwd: root, env: { ...process.env, NO_COLOR: '1', MODELPORT_HTTP_PORT: String(port), MODELPORT_GRPC_PORT: '0', MODELPORT_METRICS_PORT: '0' }, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', (chunk: Buffer) => chunk.toString().includes('Ctrl-C stops') && resolve());
    child.on('exit', (code) => reject(new Error(`npm start exited with ${code}`)));
  });
});
afterAll(() => {
  process.kill(-child.pid!, 'SIGTERM');
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return free;
}

const here = (text: string) => text.replaceAll('127.0.0.1:8000', `127.0.0.1:${port}`);

/** Numbers may differ in the last digits between processors. */
function expectClose(actual: unknown, expected: unknown): void {
  if (typeof expected === 'number') expect(actual as number).toBeCloseTo(expected, 5);
  else if (Array.isArray(expected)) {
    expect(actual).toHaveLength(expected.length);
    expected.forEach((element, index) => expectClose((actual as unknown[])[index], element));
  } else if (typeof expected === 'object' && expected !== null) {
    expect(Object.keys(actual as object)).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected)) expectClose((actual as Record<string, unknown>)[key], value);
  } else expect(actual).toBe(expected);
}

const rules: readonly { readonly name: string; readonly fits: (block: Block) => boolean; readonly run: (block: Block) => Promise<void> | void }[] = [
  {
    name: 'npm start serves',
    fits: ({ text }) => text === 'npm ci && npm start',
    run: async () => expect((await fetch(`http://127.0.0.1:${port}/v2/health/ready`)).status).toBe(200),
  },
  {
    name: 'the test command is the one that the check runs',
    fits: ({ text }) => text === 'npm ci && npm test',
    run: () => expect(readFileSync(join(root, '.ci/run'), 'utf8')).toContain('npm ci && npm test'),
  },
  {
    name: 'curl answers what the next block shows',
    fits: ({ text }) => text.startsWith('curl '),
    run({ text, index }) {
      const shown = blocks[index + 1]!;
      expect(shown.language).toBe('json');
      expectClose(JSON.parse(execFileSync('sh', ['-c', here(text)], { cwd: root, encoding: 'utf8' })), JSON.parse(shown.text));
    },
  },
  { name: 'an answer, compared with the block before it', fits: ({ language, index }) => (language === 'json' && blocks[index - 1]!.text.startsWith('curl ')) || (language === 'text' && blocks[index - 1]!.text.includes('inspect')), run: () => {} },
  {
    name: 'the client runs',
    fits: ({ language }) => language === 'js',
    run({ text }) {
      // Beside the package, so that its own name resolves as it does for those who installed it.
      const folder = mkdtempSync(join(root, 'test/.readme-'));
      try {
        writeFileSync(join(folder, 'example.mjs'), here(text));
        expect(execFileSync(process.execPath, [join(folder, 'example.mjs')], { encoding: 'utf8' })).toMatch(/^setosa Float32Array\(3\)/);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  },
  {
    name: 'Python is run by the clients tier; here its calls are compared with the server’s signature',
    fits: ({ language }) => language === 'python',
    async run({ text }) {
      const { inputs, outputs } = (await (await fetch(`http://127.0.0.1:${port}/v2/models/iris`)).json()) as { inputs: { name: string; datatype: string }[]; outputs: { name: string }[] };
      expect(text).toContain(`InferInput("${inputs[0]!.name}", [1, 4], "${inputs[0]!.datatype}")`);
      expect(text).toContain(`as_numpy("${outputs[0]!.name}")`);
    },
  },
  {
    name: 'an example is written and served; what a package carries is fetched by the clients tier, so here one that fetches nothing stands for it',
    fits: ({ text }) => text.startsWith('npx modelport example '),
    async run({ text }) {
      const folder = mkdtempSync(join(tmpdir(), 'modelport-readme-'));
      try {
        const [write, serve] = text.split('\n').map((line) => line.split(' ').slice(2));
        expect([write!.length, serve!.length, text.split('\n').length]).toEqual([2, 2, 2]);
        const name = write![1]!;
        expect((await runModelport(write!, { cwd: folder })).stdout).toContain(`modelport serve ${serve![1]!}`);
        expect(existsSync(join(folder, name, 'README.md'))).toBe(true);
        await runModelport(['example', 'postcode'], { cwd: folder });
        const server = await startModelport({ arguments: ['postcode'], cwd: folder });
        expect((await fetch(`${server.url}/v2/models/digits`)).status).toBe(200);
        expect(await server.stop()).toBe(0);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  },
  {
    name: 'serve serves',
    fits: ({ text }) => text.startsWith('npx modelport serve'),
    async run({ text }) {
      for (const line of text.split('\n')) {
        const args = line.replace('npx modelport serve ', '').replace('model.onnx', join(root, 'examples/models/iris/model.onnx')).replace('./models', join(root, 'examples/models')).replace('9000', '0').split(' ');
        const server = await startModelport({ arguments: args });
        expect((await fetch(`${server.url}/v2/models/iris`)).status).toBe(200);
        expect(await server.stop()).toBe(0);
      }
    },
  },
  {
    name: 'inspect prints what the next block shows',
    fits: ({ text }) => text.startsWith('npx modelport inspect'),
    async run({ text, index }) {
      const { stdout, code } = await runModelport(text.split(' ').slice(2));
      expect(code).toBe(0);
      expect(stdout).toContain(blocks[index + 1]!.text);
    },
  },
  {
    name: 'the config is valid',
    fits: ({ language }) => language === 'yaml',
    run: ({ text }) => expect(modelConfigSchema.safeParse(parse(text)).error).toBeUndefined(),
  },
];

describe('README', () => {
  test.each(blocks.map((block) => [`${block.index + 1}: ${block.text.split('\n')[0]}`, block] as const))('block %s', async (_title, block) => {
    const rule = rules.find(({ fits }) => fits(block));
    expect(rule, `no rule executes this ${block.language} block`).toBeDefined();
    await rule!.run(block);
  });

  test('its links lead somewhere', () => {
    for (const [, target] of readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) expect(() => readFileSync(join(root, target!)), target).not.toThrow();
    expect(blocks.length).toBeGreaterThan(10);
  });

  test('its gallery has every example, and no other', () => {
    const gallery = readme.slice(readme.indexOf('## Examples'), readme.indexOf('## Serve your own'));
    const named = [...gallery.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap((match) => match[1]!.match(/[\w-]+/g)!);
    expect(named.sort()).toEqual(readCatalogue().map(({ name }) => name).sort());
  });
});
