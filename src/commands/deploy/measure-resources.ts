/** What models need, measured: they are served here for some seconds and asked their own examples. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { ModelportError } from '../../errors.ts';
import { roundUp } from './estimate-resources.ts';

export interface MeasuredResources {
  readonly cpuMillicores: number;
  readonly memoryBytes: number;
  readonly reason: string;
}

const measuredMs = 3000;
const concurrency = 8;
const mebibyte = 2 ** 20;

/** Linux only: the figures come from /proc. Throws `INVALID_USAGE` elsewhere, and what serving says. */
export async function measureResources(paths: readonly string[]): Promise<MeasuredResources> {
  if (process.platform !== 'linux') throw new ModelportError('INVALID_USAGE', '--measure reads memory from /proc, which only Linux has: give --cpu and --memory', { at: '--measure' });
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../cli.js', import.meta.url)), 'serve', ...paths, '--port', '0', '--grpc-port', 'off', '--metrics-port', 'off', '--log-format', 'json'], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } });
  try {
    const url = await readyUrl(child);
    const { endpoints } = (await (await fetch(`${url}/openapi.json`)).json().then(predictDoors)) as { endpoints: readonly Door[] };
    let answered = 0;
    const endMs = performance.now() + measuredMs;
    const before = await processorSeconds(child.pid!);
    const startedMs = performance.now();
    if (endpoints.length > 0) {
      await Promise.all(Array.from({ length: concurrency }, async (_, index) => {
        for (let turn = index; performance.now() < endMs; turn++) {
          const { path, example } = endpoints[turn % endpoints.length]!;
          const response = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(example) });
          await response.arrayBuffer();
          if (response.ok) answered++;
        }
      }));
    }
    const seconds = (performance.now() - startedMs) / 1000;
    const used = (await processorSeconds(child.pid!)) - before;
    const peakBytes = await peakMemory(child.pid!);
    const cost = answered === 0 ? undefined : (used / answered) * 1000;
    return {
      // What 50 requests a second would take, at least a tenth of a core.
      cpuMillicores: cost === undefined ? 500 : Math.min(8000, Math.max(100, roundUp(cost * 50, 50))),
      memoryBytes: roundUp(peakBytes * 1.5 + 64 * mebibyte, 32 * mebibyte),
      reason: `Measured: at most ${Math.round(peakBytes / mebibyte)} MiB with ${concurrency} requests at once${cost === undefined ? '; no model has an example, so CPU is a guess' : `, ${cost.toFixed(1)} ms of CPU a request (${answered} in ${seconds.toFixed(0)} s)`}; half as much again for peaks`,
    };
  } finally {
    child.kill('SIGTERM');
  }
}

interface Door {
  readonly path: string;
  readonly example: unknown;
}

async function readyUrl(child: ReturnType<typeof spawn>): Promise<string> {
  let output = '';
  const read = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout!.on('data', read);
  child.stderr!.on('data', read);
  for (;;) {
    const ready = /^.*"msg":"ready".*$/m.exec(output);
    if (ready !== null) return (JSON.parse(ready[0]) as { page: string }).page;
    if (child.exitCode !== null) throw new ModelportError('RUN_FAILED', `the models can't be served here: ${output.trim().replace(/^error /, '')}`);
    await sleep(50);
  }
}

/** Predict doors with an example of what they take, from the server's own document. */
function predictDoors(document: unknown): { readonly endpoints: readonly Door[] } {
  const paths = (document as { paths: Record<string, { post?: { requestBody?: { content?: Record<string, { examples?: Record<string, { value: unknown }>; example?: unknown }> } } }> }).paths;
  const endpoints: Door[] = [];
  for (const [path, { post }] of Object.entries(paths)) {
    const media = post?.requestBody?.content?.['application/json'];
    if (!path.endsWith('/predict') || path.includes('{') || media === undefined) continue;
    const example = media.example ?? Object.values(media.examples ?? {})[0]?.value;
    if (example !== undefined) endpoints.push({ path, example });
  }
  return { endpoints };
}

async function processorSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  // utime and stime in clock ticks, of which Linux has 100 a second; proc(5).
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function peakMemory(pid: number): Promise<number> {
  return Number(/VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}
