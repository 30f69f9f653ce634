/** Files of every target, compared with those that lie beside this test; and what options and texts must not do to them. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { describe, expect, it } from 'vitest';
import type { Deployment, DeploymentFile, TargetOptions, TargetOptionValue } from '../../src/target.ts';
import { targets } from '../../src/targets/index.ts';

const deployment: Deployment = {
  name: 'iris',
  image: 'ghcr.io/me/iris:1',
  paths: ['/srv/models'],
  models: [{ name: 'iris', version: '1' }],
  environment: {},
  replicas: 2,
  maximumReplicas: 2,
  cpuMillicores: 500,
  memoryBytes: 320 * 2 ** 20,
  resourcesReason: 'Memory as it was wanted',
  drainSeconds: 30,
  readySeconds: 300,
  publicHost: undefined,
};

const digest = `sha256:${'ab'.repeat(32)}`;

function render(name: string, options: TargetOptions = {}, given: Partial<Deployment> = {}): Promise<readonly DeploymentFile[]> {
  const target = targets.find((candidate) => candidate.name === name)!;
  const defaults = Object.fromEntries(target.options.map(({ flags, default: value }): [string, TargetOptionValue] => [/--([\w-]+)/.exec(flags)![1]!.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase()), value]));
  return target.render({ ...deployment, ...given }, { ...defaults, ...options });
}

const many: TargetOptions = { ingress: 'nginx', tlsSecret: 'certificate', apiKeySecret: 'keys', pullSecret: 'login', modelsImage: 'ghcr.io/me/weights:1', serviceMonitor: true, allowEgress: true, namespace: 'shop' };
const grown: Partial<Deployment> = { image: `ghcr.io/me/iris:2@${digest}`, maximumReplicas: 5, publicHost: 'models.example.com', environment: { GREETING: 'say "hi" for $5', SWITCH: 'on' } };

const cases: readonly [string, string, TargetOptions, Partial<Deployment>][] = [
  ['docker', 'plain', {}, {}],
  ['docker', 'host-network', { network: 'host', publish: 9000, engine: 'podman' }, { environment: grown.environment! }],
  ['compose', 'plain', {}, {}],
  ['compose', 'three', { publish: 80, address: '0.0.0.0' }, { replicas: 3, environment: grown.environment! }],
  ['systemd', 'plain', {}, {}],
  ['systemd', 'many', { program: '/opt/node/bin/modelport' }, { paths: ['/srv/my models', '/srv/100%.onnx'], environment: grown.environment! }],
  ['kubernetes', 'plain', {}, {}],
  ['kubernetes', 'many', many, grown],
  ['kubernetes', 'gateway', { gateway: 'infra/public' }, { publicHost: 'models.example.com' }],
  ['kubernetes', 'kustomize', { format: 'kustomize' }, grown],
  ['kubernetes', 'helm', { ...many, format: 'helm' }, grown],
  ['cloud-run', 'plain', {}, {}],
  ['cloud-run', 'many', { serviceAccount: 'iris@me.iam.gserviceaccount.com', concurrency: 10 }, { ...grown, cpuMillicores: 1500 }],
];

const golden = join(import.meta.dirname, 'golden');

describe('golden files', () => {
  it.each(cases)('%s, %s', async (target, name, options, given) => {
    const files = await render(target, options, given);
    for (const { path, content } of files) await expect(content).toMatchFileSnapshot(join(golden, target, name, path));
    const there = readdirSync(join(golden, target, name), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(there).toHaveLength(files.length);
    // Equal inputs, equal files.
    expect(await render(target, options, given)).toEqual(files);
  });
});

describe('files', () => {
  it('are YAML by the rules of 1.1 and 1.2 alike, without a key twice', async () => {
    let count = 0;
    for (const [target, , options, given] of cases) {
      for (const { path, content } of await render(target, options, given)) {
        if (!path.endsWith('.yaml') || path.startsWith('templates/')) continue;
        count++;
        const [old, young] = (['1.1', '1.2'] as const).map((version) => parseAllDocuments(content, { version, uniqueKeys: true, merge: true }).map((document) => {
          expect(document.errors).toEqual([]);
          return document.toJS() as unknown;
        }));
        expect(old).toEqual(young);
      }
    }
    expect(count).toBeGreaterThan(25);
  });

  it('keep texts what they are', async () => {
    const values = ['on', 'null', '012', '1e3', '12:30:00', '- a', '#', "it's", '"', '\\', '{{ x }}', 'a: b', ' ', '', 'ü', '$HOME', '%h', '|', '>', '!!int 3', '*a', '&a', '~'];
    const environment = Object.fromEntries(values.map((value, index) => [`V${index}`, value]));
    const find = (files: readonly DeploymentFile[], path: string): string => files.find((file) => file.path === path)!.content;
    const pod = parse(find(await render('kubernetes', {}, { environment }), 'deployment.yaml'), { version: '1.1' }) as { spec: { template: { spec: { containers: { env: { name: string; value: unknown }[] }[] } } } };
    expect(pod.spec.template.spec.containers[0]!.env.filter(({ name }) => name.startsWith('V')).map(({ value }) => value)).toEqual(values);
    const chart = parse(find(await render('kubernetes', { format: 'helm' }, { environment }), 'values.yaml'), { version: '1.1' }) as { environment: object };
    expect(chart.environment).toEqual(environment);
    const compose = parse(find(await render('compose', {}, { environment }), 'compose.yaml'), { version: '1.1', merge: true }) as { services: { 'models-1': { environment: Record<string, string> } } };
    expect(values.map((_, index) => compose.services['models-1'].environment[`V${index}`]!.replaceAll('$$', '$'))).toEqual(values);
    const service = parse(find(await render('cloud-run', {}, { environment }), 'service.yaml'), { version: '1.1' }) as { spec: { template: { spec: { containers: { env: { name: string; value: unknown }[] }[] } } } };
    expect(service.spec.template.spec.containers[0]!.env.filter(({ name }) => name.startsWith('V')).map(({ value }) => value)).toEqual(values);
    const script = find(await render('docker', {}, { environment }), 'run-iris.sh');
    // A shell that runs the script with `docker` in place shows the words that Docker would get.
    const words = execFileSync('sh', ['-c', `docker() { [ "$1" != create ] || printf '%s\\0' "$@"; }; curl() { return 0; }; ${script}`], { encoding: 'utf8' }).split('\0');
    expect(values.map((_, index) => words.find((word) => word.startsWith(`V${index}=`))!.slice(`V${index}=`.length))).toEqual(values);
  });

  it('of systemd hold one line a setting, whatever the values', async () => {
    await expect(render('systemd', {}, { environment: { A: 'x\nExecStartPre=/bin/rm' } })).rejects.toThrow(/line break/);
    await expect(render('systemd', {}, { paths: ['models'] })).rejects.toThrow(/from the root/);
    const [unit] = await render('systemd', {}, { paths: ['/srv/a "b" $c %d'] });
    expect(unit!.content).toContain('serve "/srv/a \\"b\\" $$c %%d" --host');
  });

  it('of Kubernetes have no label that it refuses, whatever the image is called', async () => {
    for (const [image, label] of [['me/app', 'latest'], [`me/app@${digest}`, 'abababababab'], ['h:5000/a/b:v1.2_x-', 'v1.2_x'], [`a:${'x'.repeat(120)}`, 'x'.repeat(63)]] as const) {
      const [file] = await render('kubernetes', {}, { image });
      const object = parse(file!.content) as { metadata: { labels: Record<string, string> } };
      expect(object.metadata.labels['app.kubernetes.io/version']).toBe(label);
    }
  });
});

describe('options that contradict each other', () => {
  it.each<[TargetOptions, Partial<Deployment>, RegExp]>([
    [{ ingress: 'nginx' }, {}, /--public-host/],
    [{ ingress: 'nginx', gateway: 'g' }, { publicHost: 'a.b' }, /choose one/],
    [{ tlsSecret: 'x' }, {}, /needs --ingress/],
    [{ namespace: 'My Shop' }, {}, /can't be a namespace/],
    [{ pullSecret: 'A_b' }, {}, /--pull-secret/],
    [{}, { image: 'me/app:1:2:3 x' }, /no reference of an image/],
    [{ cpuUtilization: 0 }, {}, /percentage/],
  ])('%j %j', async (options, given, message) => {
    await expect(render('kubernetes', options, given)).rejects.toThrow(message);
  });

  it('Cloud Run has 8 processors at most', async () => {
    await expect(render('cloud-run', {}, { cpuMillicores: 9000 })).rejects.toThrow(/at most 8/);
  });
});
