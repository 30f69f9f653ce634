import { createServer } from 'node:http';
import { createServer as createPlainServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { answersOk } from '../../src/lib/answers-ok.ts';

const servers: Server[] = [];
async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/ready`;
}
afterEach(() => servers.splice(0).forEach((server) => server.close()));

it('says yes to an answer of success alone', async () => {
  const statuses = [200, 204, 302, 400, 503];
  let next = 0;
  const url = await listen(createServer((_request, response) => response.writeHead(statuses[next++]!).end('text')));
  for (const status of statuses) expect(await answersOk(url, 5000), String(status)).toBe(status < 300);
});

it('says no where nobody listens, nobody answers, or what comes is no HTTP', async () => {
  expect(await answersOk(await listen(createPlainServer((socket) => socket.destroy())), 5000)).toBe(false);
  expect(await answersOk(await listen(createPlainServer((socket) => socket.resetAndDestroy())), 5000)).toBe(false);
  expect(await answersOk(await listen(createPlainServer((socket) => socket.end('SSH-2.0\r\n'))), 5000)).toBe(false);
  expect(await answersOk(await listen(createPlainServer((socket) => void socket.on('error', () => {}))), 100)).toBe(false);
  const url = await listen(createPlainServer());
  await new Promise((resolve) => servers.pop()!.close(resolve));
  expect(await answersOk(url, 5000)).toBe(false);
});
