/** The client for other people's servers: private certificate authorities and proxies, held against a TLS server and a CONNECT proxy on this machine. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { HttpClient, type HttpClientOptions } from '../../src/http-client.ts';
import { startConnectProxy } from '../connect-proxy.ts';

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

describe.skipIf(!hasOpenssl())('the HTTP client (skipped without openssl)', () => {
  let folder: string;
  let server: Server;
  let port: number;
  let authority: string;
  const before = { ...process.env };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-tls-'));
    const openssl = (...args: string[]): Buffer => execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'ignore'] });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=A private authority', '-days', '2');
    openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=registry.test');
    writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:registry.test,DNS:localhost\n');
    openssl('x509', '-req', '-in', 'server.csr', '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.pem', '-days', '2', '-extfile', 'names');
    authority = readFileSync(join(folder, 'ca.pem'), 'utf8');
    server = createServer({ key: readFileSync(join(folder, 'server.key')), cert: readFileSync(join(folder, 'server.pem')) }, (request, response) => response.end(`${request.headers.host} ${request.headers.authorization ?? ''}`));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    ({ port } = server.address() as AddressInfo);
  });
  afterEach(() => {
    for (const name of ['HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy', 'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE']) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });
  afterAll(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true, force: true });
  });

  async function get(url: string, options: HttpClientOptions = {}): Promise<string> {
    const client = new HttpClient(options);
    try {
      return await (await client.request(url, { attempts: 1, headers: { authorization: 'secret' } })).text(1000);
    } finally {
      await client.close();
    }
  }

  it('trusts an authority that is named, and says what to do where none is', async () => {
    const url = `https://localhost:${port}/`;
    await expect(get(url)).rejects.toThrow(/not trusted: name your authority in NODE_EXTRA_CA_CERTS/);
    expect(await get(url, { certificateAuthorities: [authority] })).toBe(`localhost:${port} secret`);
    expect(await get(url, { insecure: true })).toContain('localhost');
    process.env['NODE_EXTRA_CA_CERTS'] = join(folder, 'ca.pem');
    expect(await get(url)).toContain('localhost');
    delete process.env['NODE_EXTRA_CA_CERTS'];
    process.env['SSL_CERT_FILE'] = join(folder, 'ca.pem');
    expect(await get(url)).toContain('localhost');
  });

  it('refuses a certificate for another name', async () => {
    await expect(get(`https://127.0.0.1:${port}/`, { certificateAuthorities: [authority] })).rejects.toThrow("can't reach https://127.0.0.1");
  });

  it('goes through the proxy of the environment, checks certificates through it, and goes around it where that is said', async () => {
    await using proxy = await startConnectProxy(port);
    process.env['HTTPS_PROXY'] = process.env['https_proxy'] = proxy.url;
    process.env['NO_PROXY'] = process.env['no_proxy'] = '';
    expect(await get('https://registry.test:8443/v2/', { certificateAuthorities: [authority] })).toBe('registry.test:8443 secret');
    expect(proxy.tunnels).toEqual(['registry.test:8443']);
    // The proxy sees nothing of what goes through it.
    expect(proxy.authorizations).toEqual([undefined]);
    await expect(get('https://registry.test:8443/')).rejects.toThrow('not trusted');
    await expect(get('https://other.test:8443/', { certificateAuthorities: [authority] })).rejects.toThrow("can't reach https://other.test:8443/");
    process.env['NO_PROXY'] = process.env['no_proxy'] = 'localhost';
    const count = proxy.tunnels.length;
    expect(await get(`https://localhost:${port}/`, { certificateAuthorities: [authority] })).toContain('localhost');
    expect(proxy.tunnels).toHaveLength(count);
  });

  it('logs in at a proxy, and says where one refuses', async () => {
    await using proxy = await startConnectProxy(port, 'ada:s3cret');
    const address = new URL(proxy.url);
    const ask = (proxyUrl: string): Promise<string> => get('https://registry.test/', { proxy: proxyUrl, noProxy: '', certificateAuthorities: [authority] });
    expect(await ask(`http://ada:s3cret@${address.host}`)).toContain('registry.test');
    await expect(ask(proxy.url)).rejects.toThrow("can't reach https://registry.test/");
    await expect(ask('http://127.0.0.1:1')).rejects.toThrow("can't reach https://registry.test/");
  });
});
