/** How a container of an image starts, and what the image says about itself. */
import type { Signature } from '../../model.ts';
import { containerUser } from '../../packaging/base/root-files.ts';
import type { ContainerConfig } from '../../packaging/image/oci.ts';
import { version } from '../../version.ts';
import type { DescribedService } from './describe-services.ts';

export interface DescribedModel {
  readonly name: string;
  readonly version: string;
  readonly signature: Signature;
}

const second = 1_000_000_000;
/** Registries and runtimes keep configs in memory: labels stay small. */
const maximumLabelBytes = 64 << 10;

export function containerConfig(options: { readonly program: string; readonly paths: readonly string[]; readonly models: readonly DescribedModel[]; readonly services: readonly DescribedService[]; readonly labels: Readonly<Record<string, string>>; readonly env: readonly string[] }): ContainerConfig {
  const ready = `fetch('http://127.0.0.1:8000/v2/health/ready').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))`;
  return {
    User: `${containerUser}:${containerUser}`,
    ExposedPorts: { '8000/tcp': {}, '8001/tcp': {}, '8002/tcp': {} },
    Env: [
      'PATH=/usr/local/bin:/usr/bin:/bin',
      'NODE_ENV=production',
      'LANG=C.UTF-8',
      'HOME=/home/nonroot',
      'MODELPORT_HOST=0.0.0.0',
      'MODELPORT_CACHE_DIR=/tmp/modelport',
      // glibc gives the memory of large blocks back; see bin/modelport.js.
      'MALLOC_MMAP_THRESHOLD_=4194304',
      'MALLOC_TRIM_THRESHOLD_=16777216',
      ...options.env,
    ],
    Entrypoint: ['/usr/local/bin/node', options.program],
    Cmd: ['serve', ...options.paths],
    WorkingDir: '/home/nonroot',
    StopSignal: 'SIGTERM',
    Healthcheck: { Test: ['CMD', '/usr/local/bin/node', '-e', ready], Interval: 10 * second, Timeout: 5 * second, StartPeriod: 60 * second, Retries: 3 },
    Labels: { ...modelLabels(options.models), ...serviceLabels(options.services), 'org.modelport.version': version, ...options.labels },
  };
}

function modelLabels(models: readonly DescribedModel[]): Record<string, string> {
  const full = JSON.stringify(models.map(({ name, version: modelVersion, signature }) => ({ name, version: modelVersion, inputs: signature.inputs.map(tensor), outputs: signature.outputs.map(tensor) })));
  if (Buffer.byteLength(full) <= maximumLabelBytes) return { 'org.modelport.models': full };
  const names = JSON.stringify(models.map(({ name, version: modelVersion }) => ({ name, version: modelVersion })));
  return Buffer.byteLength(names) <= maximumLabelBytes ? { 'org.modelport.models': names } : {};
}

/** What the endpoints take and give, as JSON Schema; where that is too much, where they are. */
function serviceLabels(services: readonly DescribedService[]): Record<string, string> {
  if (services.length === 0) return {};
  const full = JSON.stringify(services);
  if (Buffer.byteLength(full) <= maximumLabelBytes) return { 'org.modelport.services': full };
  const short = JSON.stringify(services.map(({ name, endpoints }) => ({ name, endpoints: endpoints.map(({ name: endpoint, method, path }) => ({ name: endpoint, method, path })) })));
  return Buffer.byteLength(short) <= maximumLabelBytes ? { 'org.modelport.services': short } : {};
}

function tensor({ name, datatype, shape }: Signature['inputs'][number]): object {
  return { name, datatype, shape };
}
