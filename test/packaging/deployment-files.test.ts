import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  }, 30_000);
});
