/** Load from inside a node: `node load.mjs URL RATE SECONDS`. Every other request on a connection of its own, the others on kept-alive ones; no request is repeated. */
import { Agent, request } from 'node:http';

const [url, rate, seconds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const body = JSON.stringify({ inputs: [{ name: process.argv[5], datatype: 'FP32', shape: [1, 4], data: [6, 2.2, 4, 1] }] });
const agents = [new Agent({ keepAlive: false }), new Agent({ keepAlive: true, maxSockets: 16 })];
const result = { sent: 0, answered: 0, failures: [], versions: {}, connections: [0, 0] };

function ask(number) {
  return new Promise((resolve) => {
    result.sent++;
    const fail = (why) => {
      result.failures.push(why);
      resolve();
    };
    const outgoing = request(url, { method: 'POST', agent: agents[number % 2], timeout: 20_000, headers: { 'content-type': 'application/json' } }, (incoming) => {
      let text = '';
      incoming.on('data', (chunk) => (text += chunk));
      incoming.on('error', (error) => fail(`answer: ${error.message}`));
      incoming.on('end', () => {
        if (incoming.statusCode !== 200) return fail(`${incoming.statusCode}: ${text.slice(0, 200)}`);
        const version = JSON.parse(text).model_version;
        result.versions[version] = (result.versions[version] ?? 0) + 1;
        result.answered++;
        resolve();
      });
    });
    outgoing.on('socket', () => {
      if (!outgoing.reusedSocket) result.connections[number % 2]++;
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer for 20 s')));
    outgoing.on('error', (error) => fail(`${outgoing.reusedSocket ? 'kept-alive' : 'new'} connection: ${error.message}`));
    outgoing.end(body);
  });
}

const started = performance.now();
const under = [];
for (let number = 0; number < rate * seconds; number++) {
  const waitMs = started + (number * 1000) / rate - performance.now();
  if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
  under.push(ask(number));
}
await Promise.all(under);
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);
