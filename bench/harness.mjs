/**
 * What every measurement here shares: servers started side by side, load in turns (so that a machine that speeds up or slows
 * down does so for all), ratios of equal rounds, medians and spreads. Load generator: wrk, one thread, on the same cores.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const root = join(import.meta.dirname, '..');
export const seconds = Number(process.env.BENCH_SECONDS ?? 3);
export const rounds = Number(process.env.BENCH_ROUNDS ?? 5);

export async function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** A Python of its own with what the peers need, made once under .cache/bench. */
export function python(name, packages) {
  const folder = join(root, '.cache', 'bench', name);
  const binary = join(folder, 'bin', 'python');
  if (!existsSync(binary)) {
    mkdirSync(dirname(folder), { recursive: true });
    must('python3', ['-m', 'venv', folder]);
    must(binary, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...packages]);
  }
  return binary;
}

/** The model file of that name, made once by models.py. */
export function benchModel(name) {
  const folder = join(root, '.cache', 'bench', 'models');
  const file = join(folder, name, 'model.onnx');
  if (!existsSync(file)) must(python('models', ['onnx', 'numpy']), [join(root, 'bench', 'models.py'), folder]);
  return file;
}

export function must(command, args, options = {}) {
  const done = spawnSync(command, args, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed`);
  return done.stdout;
}

/** Starts a server and waits until `probe` answers 200. Gives its milliseconds from start to that answer. */
export async function startServer({ name, command, args, env = {}, probe }) {
  const startedAt = performance.now();
  const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'], cwd: root });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-4000)));
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} exited with ${child.exitCode}: ${errors}`);
    if (performance.now() - startedAt > 60_000) throw new Error(`${name} did not answer: ${errors}`);
    const ok = await probe().catch(() => false);
    if (ok) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return { name, child, pid: child.pid, startMs: performance.now() - startedAt, stop: () => stopServer(child) };
}

async function stopServer(child) {
  child.kill('SIGTERM');
  await Promise.race([new Promise((resolve) => child.on('exit', resolve)), new Promise((resolve) => setTimeout(resolve, 5000))]);
  child.kill('SIGKILL');
}

export async function post(url, body, headers = {}) {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } });
  return response.ok;
}

/** One round of load. */
export function wrk({ url, body, headers = {}, connections }) {
  const file = join(tmpdir(), `bench-body-${process.pid}`);
  writeFileSync(file, body);
  const lines = Object.entries({ 'content-type': 'application/json', ...headers }).map(([name, value]) => `${name}: ${value}`);
  const output = must('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '30s', '-s', join(root, 'bench', 'post.lua'), url], {
    env: { ...process.env, BENCH_BODY: file, BENCH_HEADERS: lines.join('\n') },
  });
  const result = JSON.parse(output.split('\n').find((line) => line.startsWith('BENCH ')).slice(6));
  return { ...result, perSecond: result.requests / result.seconds };
}

/** CPU seconds of a process and its children so far. */
export function cpuSeconds(pid) {
  return tree(pid).reduce((total, one) => {
    try {
      const fields = readFileSync(`/proc/${one}/stat`, 'utf8').split(') ')[1].split(' ');
      return total + (Number(fields[11]) + Number(fields[12])) / 100;
    } catch {
      return total;
    }
  }, 0);
}

/** Proportional set size of a process and its children, in MB. */
export function pssMb(pid) {
  return tree(pid).reduce((total, one) => {
    try {
      return total + Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/smaps_rollup`, 'utf8'))[1]) / 1024;
    } catch {
      return total;
    }
  }, 0);
}

function tree(pid) {
  const parents = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      parents.set(Number(entry), Number(readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ')[1].split(' ')[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const found = [pid];
  for (let index = 0; index < found.length; index++) for (const [child, parent] of parents) if (parent === found[index]) found.push(child);
  return found;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length % 2 === 1 ? sorted[(sorted.length - 1) / 2] : (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2;
}

/** Every target once a round, in turn. Prints a row each: requests/s, p50, p99, CPU, and the ratios to those of `against` that took part. */
export async function compare({ title, targets, connections, against }) {
  const results = new Map(targets.map((target) => [target.name, []]));
  const peers = against.filter((name) => results.has(name));
  for (const target of targets) wrk({ ...target, connections });
  for (let round = 0; round < rounds; round++) {
    for (const target of targets) {
      const before = cpuSeconds(target.pid);
      const result = wrk({ ...target, connections });
      results.get(target.name).push({ ...result, cpuUs: ((cpuSeconds(target.pid) - before) / result.requests) * 1e6 });
    }
  }
  const rows = targets.map(({ name }) => {
    const own = results.get(name);
    const ratio = (peer) => range(own.map((result, round) => result.perSecond / results.get(peer)[round].perSecond), 2);
    return [name, range(own.map((result) => result.perSecond), 0), ...peers.map(ratio), median(own.map((r) => r.p50Ms)).toFixed(3), median(own.map((r) => r.p99Ms)).toFixed(2), median(own.map((r) => r.cpuUs)).toFixed(0), String(own.reduce((sum, r) => sum + r.failed, 0))];
  });
  printTable(`${title}, ${connections} connection${connections === 1 ? '' : 's'}, ${rounds} rounds of ${seconds} s`, ['server', 'requests/s (min–max)', ...peers.map((peer) => `÷ ${peer}`), 'p50 ms', 'p99 ms', 'CPU µs', 'failed'], rows);
  return results;
}

/** Median and spread. */
export function range(values, digits) {
  return `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;
}

/** Markdown, so that it can be kept as it is. */
export function printTable(title, head, rows) {
  const widths = head.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  console.log(`\n${title}\n\n${line(head)}\n${line(widths.map((width) => '-'.repeat(width)))}\n${rows.map(line).join('\n')}`);
}
