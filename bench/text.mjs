#!/usr/bin/env node
/**
 * Text classification with a tiny BERT (test/fixtures/text/text-classification): a sentence in, tokens, one run, classes out. Beside
 * it FastAPI with transformers' fast tokenizer and onnxruntime, which answers the same. Also sentences of different lengths, of
 * which only those of equal numbers of tokens share a run.
 *
 *     node bench/text.mjs          BENCH_TEXT_PYTHON: a Python that has fastapi, uvicorn, transformers and onnxruntime
 */
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { compare, freePort, post, python, root, startServer } from './harness.mjs';

const folder = join(root, 'test', 'fixtures', 'text', 'text-classification');
const body = JSON.stringify({ text: 'I loved this movie, the acting was great and the story was wonderful.' });
const peerPython = process.env.BENCH_TEXT_PYTHON ?? python('fastapi-text', ['fastapi', 'uvicorn[standard]', 'onnxruntime', 'numpy', 'transformers', 'tokenizers']);
const ports = [await freePort(), await freePort()];
const url = `http://127.0.0.1:${ports[0]}/predict`;
const peerUrl = `http://127.0.0.1:${ports[1]}/predict`;
const servers = [
  await startServer({ name: 'modelport', command: 'node', args: ['dist/cli.js', 'serve', folder, '--port', ports[0], '--grpc-port', 'off', '--metrics-port', 'off'], probe: () => post(url, body) }),
  await startServer({ name: 'fastapi', command: peerPython, args: ['-m', 'uvicorn', 'fastapi_text:app', '--app-dir', 'bench/peers', '--port', ports[1], '--no-access-log', '--log-level', 'warning'], env: { MODEL: folder }, probe: () => post(peerUrl, body) }),
];
try {
  const answers = await Promise.all([url, peerUrl].map(async (each) => (await fetch(each, { method: 'POST', body, headers: { 'content-type': 'application/json' } })).json()));
  const differs = answers[0].labels.some(({ label, score }, index) => label !== answers[1].labels[index].label || Math.abs(score - answers[1].labels[index].score) > 1e-4);
  if (differs) throw new Error(`the servers answer differently: ${JSON.stringify(answers)}`);
  console.log(`load average before: ${loadavg().map((load) => load.toFixed(2)).join(' ')}`);
  const targets = [
    { name: 'modelport', pid: servers[0].pid, url, body },
    { name: 'fastapi', pid: servers[1].pid, url: peerUrl, body },
  ];
  for (const connections of [32, 1]) await compare({ title: 'text classification, tiny BERT', targets, connections, against: ['fastapi'] });
} finally {
  await Promise.all(servers.map((server) => server.stop()));
}
