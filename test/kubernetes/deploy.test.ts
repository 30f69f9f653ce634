/** From a folder of models to a cluster that serves them, and what becomes of requests while the cluster changes: a real Kubernetes of two nodes. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cli, root, runModelport } from '../start-modelport.ts';
import { missing, runProgram, startCluster, until, type TestCluster } from './cluster.ts';

const namespace = 'shop';
const ratePerSecond = 40;

describe.skipIf(missing !== undefined)(`Kubernetes${missing === undefined ? '' : ` (skipped: ${missing})`}`, { timeout: 300_000 }, () => {
  let folder: string;
  let cluster: TestCluster;
  const image = (tag: string): string => `${cluster.registry}/iris:${tag}`;
  const modelport = (...args: string[]) => runModelport(args, { cwd: folder, environment: { KUBECONFIG: cluster.kubeconfig, HOME: folder, XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(process.env['HOME'] ?? tmpdir(), '.cache') } });
  const deploy = (...args: string[]) => modelport('deploy', 'kubernetes', 'models/iris', '--namespace', namespace, '--cpu', '0.1', '--memory', '256MiB', ...args);
  /** Those that get traffic: ready, and not on their way out. */
  const readyPods = (): string[] => {
    const { items } = JSON.parse(cluster.kubectl('-n', namespace, 'get', 'pods', '-l', 'app.kubernetes.io/name=iris', '-o', 'json')) as { items: { metadata: { name: string; deletionTimestamp?: string }; status: { containerStatuses?: { ready: boolean }[] } }[] };
    return items.filter(({ metadata, status }) => metadata.deletionTimestamp === undefined && status.containerStatuses?.every(({ ready }) => ready) === true).map(({ metadata }) => metadata.name);
  };
  const resourceVersions = (): string => cluster.kubectl('-n', namespace, 'get', 'service,poddisruptionbudget,networkpolicy', '-o', 'jsonpath={.items[*].metadata.resourceVersion}') + cluster.kubectl('-n', namespace, 'get', 'deployment', 'iris', '-o', 'jsonpath={.metadata.generation}');

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'modelport-kubernetes-test-'));
    // Two versions of one model: the same network under another number, which answers tell.
    const example = join(root, 'examples/models/iris');
    for (const version of ['1', '2']) {
      const place = join(folder, version === '1' ? 'models' : 'newer', 'iris');
      mkdirSync(join(place, version), { recursive: true });
      cpSync(join(example, 'model.onnx'), join(place, version, 'model.onnx'));
      cpSync(join(example, 'model.yaml'), join(place, 'model.yaml'));
    }
    cluster = await startCluster(namespace);
    for (const [tag, models] of [['1', 'models'], ['2', 'newer']] as const) {
      const layout = `oci:image-${tag}`;
      const built = await modelport('build', models, '-t', image(tag), '-o', layout);
      expect(built.code, built.stderr).toBe(0);
      const pushed = await modelport('push', layout, `oci://${image(tag)}`);
      expect(pushed.code, pushed.stderr).toBe(0);
    }
  }, 600_000);
  afterAll(() => {
    cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('says so where the namespace is missing', async () => {
    const { code, stderr } = await deploy('--image', image('1'), '--apply');
    expect(code).toBe(1);
    expect(stderr).toContain(`there is no namespace ${namespace}`);
  });

  it('brings two replicas up that answer through the Service', async () => {
    const { code, stderr } = await deploy('--image', image('1'), '--create-namespace', '--apply');
    expect(stderr).toContain('serves');
    expect(code).toBe(0);
    expect(readyPods()).toHaveLength(2);
    const result = await cluster.load('iris', ratePerSecond, 2);
    expect(result.failures).toEqual([]);
    expect(result.versions).toEqual({ 1: 80 });
  });

  it('spreads replicas over nodes and shuts pods in', () => {
    const pods = JSON.parse(cluster.kubectl('-n', namespace, 'get', 'pods', '-o', 'json')) as { items: { spec: { nodeName: string; containers: { securityContext: object }[] }; status: object }[] };
    expect(new Set(pods.items.map(({ spec }) => spec.nodeName)).size).toBe(2);
    const name = readyPods()[0]!;
    const shown = cluster.kubectl('-n', namespace, 'exec', name, '--', '/usr/local/bin/node', '-e', "try { require('fs').writeFileSync('/models/x', '') } catch (error) { console.log(process.getuid(), error.code) }");
    expect(shown).toBe('65532 EROFS');
  });

  it('changes nothing when applied twice', async () => {
    const before = resourceVersions();
    const { code, stderr } = await deploy('--image', image('1'), '--apply');
    expect(code).toBe(0);
    expect(stderr.match(/: unchanged/g)).toHaveLength(4);
    expect(resourceVersions()).toBe(before);
    const same = await deploy('--image', image('1'), '--diff');
    expect({ code: same.code, stdout: same.stdout }).toEqual({ code: 0, stdout: '' });
  });

  it('tells the difference without making it', async () => {
    const before = resourceVersions();
    const { code, stdout } = await deploy('--image', image('2'), '--diff');
    expect(code).toBe(1);
    expect(stdout).toContain(`-           image: ${image('1')}`);
    expect(stdout).toContain(`+           image: ${image('2')}`);
    expect(resourceVersions()).toBe(before);
  });

  it("leaves another owner's fields alone, and says whose they are", async () => {
    const patch = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'iris' }, spec: { revisionHistoryLimit: 7 } };
    writeFileSync(join(folder, 'foreign.json'), JSON.stringify(patch));
    cluster.kubectl('-n', namespace, 'apply', '--server-side', '--force-conflicts', '--field-manager', 'platform-team', '-f', join(folder, 'foreign.json'));
    const refused = await deploy('--image', image('2'), '--apply');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('.spec.revisionHistoryLimit: conflict with "platform-team"');
    expect(cluster.kubectl('-n', namespace, 'get', 'deployment', 'iris', '-o', 'jsonpath={.spec.template.spec.containers[0].image}')).toBe(image('1'));
    const taken = await deploy('--image', image('1'), '--apply', '--force-conflicts');
    expect(taken.code).toBe(0);
    expect(cluster.kubectl('-n', namespace, 'get', 'deployment', 'iris', '-o', 'jsonpath={.spec.revisionHistoryLimit}')).toBe('5');
  });

  it('rolls to a second model version without a failed request', async () => {
    const load = cluster.load('iris', ratePerSecond, 40);
    await sleep(2000);
    const { code, stderr } = await deploy('--image', image('2'), '--apply');
    expect(code, stderr).toBe(0);
    const result = await load;
    expect(result.failures).toEqual([]);
    expect(result.answered).toBe(40 * ratePerSecond);
    expect(Object.keys(result.versions)).toEqual(['1', '2']);
    expect(result.connections[0]).toBe(result.sent / 2);
    expect(result.connections[1]).toBeLessThan(result.sent / 4);
  });

  it('goes back on request', async () => {
    const back = await modelport('deploy', 'kubernetes', '--name', 'iris', '--namespace', namespace, '--rollback');
    expect(back.code, back.stderr).toBe(0);
    expect(back.stderr).toContain(`Back to ${image('1')}`);
    // Pods on their way out answer what still reaches them.
    await until('answers of the version before alone', async () => Object.keys((await cluster.load('iris', 20, 1)).versions).join() === '1');
    // The next apply meets no stranger, and gives back what going back had taken along.
    const again = await deploy('--image', image('1'), '--apply');
    expect(again.code, again.stderr).toBe(0);
  });

  it('loses no request with a deleted pod', async () => {
    const load = cluster.load('iris', ratePerSecond, 25);
    await sleep(2000);
    cluster.kubectl('-n', namespace, 'delete', 'pod', readyPods()[0]!, '--wait=false');
    const result = await load;
    expect(result.failures).toEqual([]);
    expect(result.answered).toBe(25 * ratePerSecond);
    await until('two ready pods', () => readyPods().length === 2);
  });

  it('loses no request with a drained node, and the budget holds', async () => {
    const pods = readyPods();
    // Both at once: the second is refused until a replacement is ready.
    const evict = (name: string) => cluster.tryKubectl('create', '--raw', `/api/v1/namespaces/${namespace}/pods/${name}/eviction`, '-f', join(folder, `${name}.json`));
    for (const name of pods) writeFileSync(join(folder, `${name}.json`), JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace } }));
    const load = cluster.load('iris', ratePerSecond, 40);
    await sleep(2000);
    expect(evict(pods[0]!).code).toBe(0);
    const second = evict(pods[1]!);
    expect(second.code).not.toBe(0);
    expect(second.output).toContain('disruption budget');
    await until('two ready pods', () => readyPods().filter((name) => name !== pods[0]).length === 2);
    cluster.kubectl('drain', 'node2', '--ignore-daemonsets', '--delete-emptydir-data', '--timeout=120s');
    const result = await load;
    expect(result.failures).toEqual([]);
    expect(result.answered).toBe(40 * ratePerSecond);
    expect(cluster.kubectl('-n', namespace, 'get', 'pods', '--field-selector', 'spec.nodeName=node2,status.phase=Running', '-o', 'name')).toBe('');
    cluster.kubectl('uncordon', 'node2');
    await until('two ready pods', () => readyPods().length === 2);
  });

  it('reports a version that never gets ready with events and last lines, and goes back', async () => {
    const load = cluster.load('iris', 10, 30);
    const { code, stderr } = await deploy('--image', image('2'), '--env', 'MODELPORT_HTTP_PORT=9999', '--ready-timeout', '15s', '--apply');
    expect(code).toBe(1);
    expect(stderr).toContain('does not get ready');
    expect(stderr).toMatch(/Warning Unhealthy.*Startup probe failed/);
    expect(stderr).toContain('9999');
    expect(stderr).toContain(`Rolled back: ${image('1')} serves, as before`);
    const result = await load;
    expect(result.failures).toEqual([]);
    expect(result.versions).toEqual({ 1: 300 });
    // Going back later means to what served once.
    expect(cluster.kubectl('-n', namespace, 'get', 'replicasets', '-o', 'yaml')).not.toContain('9999');
  });

  it('serves models from an image of their own, which changes without the server', async () => {
    const served = async (): Promise<string[]> => Object.keys((await cluster.load('iris', 20, 1)).versions);
    for (const [tag, version] of [['2', '2'], ['1', '1']] as const) {
      const { code, stderr } = await deploy('--image', image('1'), '--models-image', image(tag), '--apply');
      expect(code, stderr).toBe(0);
      await until(`answers of version ${version} alone`, async () => (await served()).join() === version);
    }
    const name = readyPods()[0]!;
    expect(cluster.kubectl('-n', namespace, 'exec', name, '--', '/usr/local/bin/node', '-e', "try { require('fs').writeFileSync('/mnt/models-image/x', '') } catch (error) { console.log(error.code) }")).toBe('EROFS');
    // What push writes is an artifact and no image: there is nothing in it to mount.
    const weights = image('1').replace(/iris:1$/, 'weights:1');
    expect((await modelport('push', 'models/iris', `oci://${weights}`)).code).toBe(0);
    const artifact = await deploy('--image', image('1'), '--models-image', weights, '--ready-timeout', '15s', '--apply');
    expect(artifact.code).toBe(1);
    expect(artifact.stderr).toContain('/mnt/models-image/models');
    expect((await deploy('--image', image('1'), '--apply')).code).toBe(0);
  });

  it('tells of an image that is not there', async () => {
    const { code, stderr } = await deploy('--image', image('none'), '--ready-timeout', '10s', '--apply', '--keep-failed');
    expect(code).toBe(1);
    expect(stderr).toMatch(/ErrImagePull|ImagePullBackOff/);
    expect(stderr).toContain('--rollback goes back');
    expect((await deploy('--image', image('1'), '--apply')).code).toBe(0);
  });

  it('grows from 2 to 5 replicas by its autoscaler, and takes over from a fixed number without a dip', async () => {
    const load = cluster.load('iris', ratePerSecond, 90);
    const { code, stderr } = await deploy('--image', image('1'), '--max-replicas', '5', '--cpu', '0.01', '--cpu-utilization', '30', '--apply');
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('HorizontalPodAutoscaler shop/iris: made');
    await until('five ready pods', () => readyPods().length === 5);
    const result = await load;
    expect(result.failures).toEqual([]);
    expect(result.answered).toBe(90 * ratePerSecond);
    // Applying again does not set the autoscaler's number back.
    expect((await deploy('--image', image('1'), '--max-replicas', '5', '--cpu', '0.01', '--cpu-utilization', '30', '--apply')).code).toBe(0);
    expect(readyPods()).toHaveLength(5);
  });

  it('says whom the cluster does not let do what', async () => {
    cluster.kubectl('-n', namespace, 'create', 'serviceaccount', 'guest');
    const token = cluster.kubectl('-n', namespace, 'create', 'token', 'guest');
    const text = readFileSync(cluster.kubeconfig, 'utf8').replace(/users: .*/, `users: [{name: guest, user: {token: ${token}}}]`).replace(/user: \w+\}\}\]/, 'user: guest}}]');
    writeFileSync(join(folder, 'guest'), text);
    const { code, stderr } = await deploy('--image', image('1'), '--apply', '--kubeconfig', join(folder, 'guest'));
    expect(code).toBe(1);
    expect(stderr).toContain(`the cluster does not let guest`);
    expect(stderr).toContain(`in namespace ${namespace}`);
  });

  describe('files', () => {
    const everything = ['--max-replicas', '5', '--public-host', 'models.example.com', '--ingress', 'nginx', '--tls-secret', 'certificate', '--api-key-secret', 'keys', '--pull-secret', 'login', '--models-image', 'ghcr.io/me/weights:1', '--env', 'GREETING=hello "you"', '--env', 'SWITCH=on'];
    const accepted = (file: string): void => void cluster.kubectl('apply', '--server-side', '--dry-run=server', '--validate=strict', '--force-conflicts', '-n', namespace, '-f', file);

    it.each([['few', []], ['many', everything]] as const)('are accepted in strict mode: %s', async (name, options) => {
      expect((await deploy('--image', image('1'), '-o', `plain-${name}`, ...options)).code).toBe(0);
      for (const file of readdirSync(join(folder, `plain-${name}`))) accepted(join(folder, `plain-${name}`, file));
      const kinds = readdirSync(join(folder, `plain-${name}`));
      expect(kinds).toHaveLength(name === 'few' ? 4 : 6);
    });

    it.each([['few', []], ['many', everything]] as const)('kustomize gives what is accepted: %s', async (name, options) => {
      expect((await deploy('--image', image('1'), '--format', 'kustomize', '-o', `kustomize-${name}`, ...options)).code).toBe(0);
      const text = runProgram(cluster.program('kubectl'), ['kustomize', `kustomize-${name}/overlays/production`], { cwd: folder });
      expect(text).toContain(`namespace: ${namespace}`);
      writeFileSync(join(folder, `kustomize-${name}.yaml`), text);
      accepted(join(folder, `kustomize-${name}.yaml`));
    });

    it.each([['few', []], ['many', everything]] as const)('helm gives what is accepted, and the same as the plain files: %s', async (name, options) => {
      expect((await deploy('--image', image('1'), '--format', 'helm', '-o', `helm-${name}`, ...options)).code).toBe(0);
      runProgram(cluster.program('helm'), ['lint', '--strict', `helm-${name}`], { cwd: folder });
      const text = runProgram(cluster.program('helm'), ['template', 'iris', `helm-${name}`, '--namespace', namespace], { cwd: folder });
      writeFileSync(join(folder, `helm-${name}.yaml`), text);
      accepted(join(folder, `helm-${name}.yaml`));
      const dryRun = (file: string): object[] => (JSON.parse(cluster.kubectl('apply', '--dry-run=client', '-n', namespace, '-o', 'json', '-f', file)) as { items: { kind: string; spec: object }[] }).items.map(({ kind, spec }) => ({ kind, spec: JSON.parse(JSON.stringify(spec).replaceAll('"app.kubernetes.io/managed-by":"Helm"', '"app.kubernetes.io/managed-by":"modelport"')) as object })).sort((left, right) => (left.kind < right.kind ? -1 : 1));
      expect(dryRun(join(folder, `helm-${name}.yaml`))).toEqual(dryRun(join(folder, `plain-${name}`)));
      expect(() => runProgram(cluster.program('helm'), ['template', 'iris', `helm-${name}`, '--set', 'replicas=none'], { cwd: folder })).toThrow(/replicas/);
    });

    // Kinds that a cluster has only where somebody installed them; their definitions come with Go modules.
    it.skipIf(!hasGo())('of kinds that others bring are accepted where these are installed', async () => {
      const definitions = [
        ['sigs.k8s.io/gateway-api@v1.4.0', 'config/crd/standard/gateway.networking.k8s.io_httproutes.yaml', 'httproutes.gateway.networking.k8s.io'],
        ['github.com/prometheus-operator/prometheus-operator@v0.44.0', 'example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml', 'servicemonitors.monitoring.coreos.com'],
        ['knative.dev/serving@v0.46.0', 'config/core/300-resources/service.yaml', 'services.serving.knative.dev'],
      ] as const;
      for (const [module, path, name] of definitions) {
        cluster.kubectl('apply', '--server-side', '-f', join(goModule(module), path));
        cluster.kubectl('wait', '--for', 'condition=established', `crd/${name}`, '--timeout=30s');
      }
      expect((await deploy('--image', image('1'), '-o', 'others', '--public-host', 'models.example.com', '--gateway', 'infra/public', '--service-monitor')).code).toBe(0);
      for (const file of ['http-route.yaml', 'service-monitor.yaml']) accepted(join(folder, 'others', file));
      expect((await modelport('deploy', 'cloud-run', 'models/iris', '--image', image('1'), '-o', 'cloud-run')).code).toBe(0);
      accepted(join(folder, 'cloud-run', 'service.yaml'));
    });
  });

  describe('pipelines', () => {
    it('of GitHub please actionlint', async () => {
      const { code, stderr } = await modelport('ci', 'github', 'models', '--image', image('1').replace(/:1$/, ''), '--target', 'kubernetes', '--gate', '--max-latency 10s');
      expect(code, stderr).toBe(0);
      expect(runProgram(cluster.program('actionlint'), ['-no-color', '.github/workflows/models.yml'], { cwd: folder })).toBe('');
    });

    it('build, push and deploy by their own commands', () => {
      const { jobs } = parse(readFileSync(join(folder, '.github/workflows/models.yml'), 'utf8')) as { jobs: Record<string, { steps: { name?: string; run?: string }[] }> };
      const command = (job: string, name: string): string => jobs[job]!.steps.find((step) => step.name?.startsWith(name) === true)!.run!;
      mkdirSync(join(folder, 'bin'));
      writeFileSync(join(folder, 'bin/modelport'), `#!/bin/sh\nexec ${process.execPath} ${cli} "$@"\n`, { mode: 0o755 });
      const environment = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH']}`, TAG: 'c0ffee', RUNNER_TEMP: folder, KUBECONFIG_CONTENT: readFileSync(cluster.kubeconfig, 'utf8') };
      for (const [job, name] of [['push', 'Build'], ['push', 'Push'], ['deploy', 'Deploy']] as const) execFileSync('bash', ['-e', '-o', 'pipefail', '-c', command(job, name)], { cwd: folder, env: environment, stdio: 'pipe' });
      expect(cluster.kubectl('-n', 'default', 'get', 'deployment', 'iris', '-o', 'jsonpath={.spec.template.spec.containers[0].image} {.status.availableReplicas}')).toBe(`${image('c0ffee')} 2`);
    });
  });
});

function hasGo(): boolean {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The folder of a module's files. */
function goModule(module: string): string {
  const { Dir } = JSON.parse(execFileSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8', cwd: tmpdir(), stdio: ['ignore', 'pipe', 'pipe'] })) as { Dir: string };
  return Dir;
}
