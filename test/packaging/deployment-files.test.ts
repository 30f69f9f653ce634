import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { root, runModelport } from '../start-modelport.ts';

describe('a Dockerfile to own', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-dockerfile-'));
    cpSync(join(root, 'examples/postcode'), join(folder, 'service'), { recursive: true });
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const dockerfile = async (...paths: string[]): Promise<string> => {
    expect(await runModelport(['build', ...paths, '--dockerfile', '.', '--force'], { cwd: folder, environment: { HOME: folder, XDG_CACHE_HOME: join(folder, 'cache') } })).toMatchObject({ code: 0, stderr: '' });
    return readFileSync(join(folder, 'Dockerfile'), 'utf8');
  };

  it('takes a service with its folder, and what compiles it', async () => {
    const text = await dockerfile('service/app.ts');
    expect(text).toContain('COPY ["service","/app/"]');
    expect(text).toMatch(/"\$\{MODELPORT\}" esbuild@\d+\.\d+\.\d+ &&/);
    expect(text).toContain('CMD ["serve","/app/app.ts"]');
    expect(text).not.toContain('AS service');
    writeFileSync(join(folder, 'service/package.json'), '{"dependencies":{}}');
    const installing = await dockerfile('service/app.ts');
    expect(installing).toContain('FROM ${NODE_IMAGE} AS service\n');
    expect(installing.indexOf('COPY --from=service /app /app')).toBeLessThan(installing.indexOf('COPY ["service","/app/"]'));
    expect(readFileSync(join(folder, '.dockerignore'), 'utf8')).toContain('!service\n');
  }, 30_000);

  it('takes models without a compiler', async () => {
    const text = await dockerfile('service/digits');
    expect(text).toContain('COPY ["service/digits","/models/digits/"]');
    expect(text).not.toContain('esbuild');
    expect(text).not.toContain('cuda');
  }, 30_000);

  it('gives each model its folder, however it is named', async () => {
    mkdirSync(join(folder, 'models'));
    for (const name of ['iris', 'digits']) cpSync(join(root, 'examples/models', name), join(folder, 'models', name), { recursive: true });
    cpSync(join(root, 'test/fixtures/onnx/add.onnx'), join(folder, 'add.onnx'));
    const copies = async (...paths: string[]): Promise<string[]> => (await dockerfile(...paths)).split('\n').filter((line) => line.startsWith('COPY ['));
    expect(await copies('models')).toEqual(['COPY ["models","/models/"]']);
    expect(await copies('models/iris', 'models/digits')).toEqual(['COPY ["models/iris","/models/iris/"]', 'COPY ["models/digits","/models/digits/"]']);
    rmSync(join(folder, 'models/digits'), { recursive: true });
    expect(await copies('models', 'add.onnx')).toEqual(['COPY ["models","/models/"]', 'COPY ["add.onnx","/models/add/"]']);
    expect(await copies('models/iris/model.onnx')).toEqual(['COPY ["models/iris/model.onnx","/models/iris/"]']);
  }, 60_000);

  it('takes ONNX Runtime\'s provider for CUDA along, of the version that Modelport runs', async () => {
    const text = await dockerfile('service/digits', '--gpu', 'cuda', '--compose');
    const installed = (JSON.parse(readFileSync(join(root, 'node_modules/onnxruntime-node/package.json'), 'utf8')) as { version: string }).version;
    expect(text).toContain(`onnxruntime-node@${installed} `);
    expect(text).toMatch(/^FROM \$\{CUDA_IMAGE\}$/m);
    expect(text).toContain('MODELPORT_EXECUTION_PROVIDER=cuda');
    expect(text.trimEnd().split('\n').at(-1)).toBe('CMD ["serve","/models"]');
    const compose = parse(readFileSync(join(folder, 'compose.yaml'), 'utf8'), { merge: true }) as { services: Record<string, { deploy?: object; build?: string }> };
    expect(compose.services['models-3']!.deploy).toEqual({ resources: { reservations: { devices: [{ driver: 'nvidia', count: 'all', capabilities: ['gpu'] }] } } });
    expect(Object.values(compose.services).filter(({ build }) => build !== undefined)).toHaveLength(1);
    const alone = await runModelport(['build', 'service/digits', '--gpu', 'cuda'], { cwd: folder, environment: { HOME: folder } });
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining('--dockerfile')]);
  }, 30_000);
});
