/**
 * A real Kubernetes for tests: the folder that MODELPORT_KUBERNETES names has `up.sh`, which starts API server, kubelets and a registry on this machine,
 * `in.sh`, which runs a command inside a node, and `down.sh`. Two nodes, ports of their own.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../containers/tools.ts';

const run = promisify(execFile);
const folder = process.env['MODELPORT_KUBERNETES'] ?? '';

/** Why the tests can't run; undefined where they can. */
export const missing = folder === '' ? 'MODELPORT_KUBERNETES names no folder of a cluster' : !existsSync(join(folder, 'up.sh')) ? `${folder} has no up.sh` : process.getuid?.() !== 0 ? 'a cluster needs root' : undefined;

export interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  readonly failures: readonly string[];
  readonly versions: Readonly<Record<string, number>>;
  /** Opened by requests that wanted their own, and by those that share them. */
  readonly connections: readonly [number, number];
}

export interface TestCluster {
  readonly kubeconfig: string;
  /** `127.0.0.1:PORT`, the same name outside and for the nodes. */
  readonly registry: string;
  readonly program: (name: string) => string;
  kubectl(...args: string[]): string;
  /** kubectl's exit code with what it printed. */
  tryKubectl(...args: string[]): { readonly code: number; readonly output: string };
  /** Requests through a Service's address. */
  load(service: string, ratePerSecond: number, seconds: number): Promise<LoadResult>;
  stop(): void;
}

export async function startCluster(namespace: string): Promise<TestCluster> {
  const home = process.env['MODELPORT_KUBERNETES_HOME'] ?? join(tmpdir(), 'modelport-kubernetes');
  const registryPort = await freePort();
  const environment = { ...process.env, KUBE_HOME: home, NODES: '2', NODE: 'node1', KUBE_PORT: String(await freePort()), REGISTRY_PORT: String(registryPort) };
  const script = (name: string): void => void execFileSync('bash', [join(folder, name)], { env: environment, stdio: ['ignore', 'ignore', 'pipe'], timeout: 600_000 });
  // One that an earlier run left.
  if (existsSync(join(home, 'run', 'node1.pid'))) script('down.sh');
  script('up.sh');
  const kubeconfig = join(home, 'kubeconfig');
  const program = (name: string): string => join(home, 'bin', name);
  const tryKubectl = (...args: string[]): { code: number; output: string } => {
    try {
      return { code: 0, output: execFileSync(program('kubectl'), args, { encoding: 'utf8', env: { ...environment, KUBECONFIG: kubeconfig }, stdio: ['ignore', 'pipe', 'pipe'] }).trim() };
    } catch (error) {
      const { status, stdout, stderr } = error as { status: number | null; stdout: string; stderr: string };
      return { code: status ?? -1, output: `${stdout}${stderr}` };
    }
  };
  const kubectl = (...args: string[]): string => {
    const { code, output } = tryKubectl(...args);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: ${output}`);
    return output;
  };
  return {
    kubeconfig,
    registry: `127.0.0.1:${registryPort}`,
    program,
    kubectl,
    tryKubectl,
    load(service, ratePerSecond, seconds) {
      const address = kubectl('-n', namespace, 'get', 'service', service, '-o', 'jsonpath={.spec.clusterIP}');
      const url = `http://${address}/v2/models/iris/infer`;
      const result = run('bash', [join(folder, 'in.sh'), process.execPath, join(import.meta.dirname, 'load.mjs'), url, String(ratePerSecond), String(seconds), 'measurements'], { env: environment, maxBuffer: 32 << 20 }).then(({ stdout }) => JSON.parse(stdout) as LoadResult);
      // It runs beside what a test does, which may fail first.
      result.catch(() => {});
      return result;
    },
    stop: () => script('down.sh'),
  };
}

/** Fails where it does not come about. */
export async function until(what: string, check: () => boolean | Promise<boolean>, timeoutMs = 120_000): Promise<void> {
  for (const end = performance.now() + timeoutMs; performance.now() < end; await sleep(500)) if (await check()) return;
  throw new Error(`${what} did not come about in ${timeoutMs / 1000} s`);
}

/** kustomize and kubectl's own are one program. */
export function runProgram(program: string, args: readonly string[], options: { readonly cwd: string }): string {
  return execFileSync(program, args, { encoding: 'utf8', cwd: options.cwd, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, HOME: options.cwd } });
}
