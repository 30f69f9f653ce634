/** compose.yaml, and the configuration of the NGINX in it: for `deploy compose`, and for `build --compose`, which builds the image, too. */
import { yamlScalar } from '../../lib/yaml-scalar.ts';
import type { Deployment, DeploymentFile } from '../../target.ts';
import { cpuShares, deploymentPorts, writtenBy } from '../../target.ts';

export interface ComposeOptions {
  /** What wrote the files: `modelport deploy`. */
  readonly command: string;
  /** Port and address of this machine that answer HTTP. */
  readonly publish: number;
  readonly address: string;
  readonly proxyImage: string;
  /** The folder, as the file names it, whose Dockerfile makes the image; undefined where the image is there. */
  readonly build?: string;
  /** Replicas get the GPUs of this machine. */
  readonly gpu?: 'cuda';
}

export const defaultProxyImage = 'nginx:1.28-alpine';
export const proxyService = 'proxy';

export function composeFiles(deployment: Deployment, options: ComposeOptions): readonly DeploymentFile[] {
  return [
    { path: 'compose.yaml', content: composeFile(deployment, options) },
    { path: 'nginx.conf', content: nginxFile(deployment, options) },
  ];
}

/** The services of the replicas. */
export function replicaServices({ replicas }: Deployment): string[] {
  return Array.from({ length: replicas }, (_, index) => `models-${index + 1}`);
}

function composeFile(deployment: Deployment, { command, publish, address, proxyImage, build, gpu }: ComposeOptions): string {
  const { name, image, environment, drainSeconds, readySeconds, memoryBytes } = deployment;
  const variables = { MODELPORT_DRAIN_TIMEOUT: `${drainSeconds}s`, MODELPORT_LOG_FORMAT: 'json', ...environment };
  const services = replicaServices(deployment);
  return `${writtenBy(deployment, `${deployment.replicas} replicas behind NGINX: docker compose up${build === undefined ? '' : ' --build'} --detach --wait`, command)}name: ${name}

x-replica: &replica
  image: ${yamlScalar(image)}
  environment:
${Object.entries(variables).map(([key, value]) => `    ${key}: ${composeText(value)}\n`).join('')}  # Nothing of the image can be written, and nobody inside can become more than they are.
  read_only: true
  tmpfs: [/tmp]
  cap_drop: [ALL]
  security_opt: ["no-new-privileges:true"]
  # ${deployment.resourcesReason}. A replica that wants more is ended and started again.
  mem_limit: ${memoryBytes}
  cpu_shares: ${cpuShares(deployment)}
  pids_limit: 512
${gpu === undefined ? '' : `  # All replicas share the GPUs. To give each its own: device_ids in place of count, and no anchor.
  deploy: { resources: { reservations: { devices: [{ driver: nvidia, count: all, capabilities: [gpu] }] } } }
`}  restart: unless-stopped
  # Requests under way are answered before it goes.
  stop_grace_period: ${drainSeconds + 10}s
  healthcheck:
    test: ["CMD", "node", "-e", "fetch('http://127.0.0.1:${deploymentPorts.http}/v2/health/ready').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
    interval: 5s
    timeout: 5s
    start_period: ${readySeconds}s
    retries: 3

services:
${services.map((service, index) => `  ${service}:\n    <<: *replica\n${index > 0 || build === undefined ? '' : `    build: ${yamlScalar(build)}\n`}`).join('')}
  ${proxyService}:
    image: ${yamlScalar(proxyImage)}
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
    ports: [${JSON.stringify(`${address}:${publish}:8000`)}]
    restart: unless-stopped
    # It looks the replicas up when it starts: where they are made anew, it is, too.
    depends_on:
${services.map((service) => `      ${service}: { condition: service_healthy, restart: true }\n`).join('')}`;
}

/** Compose replaces `$NAME` in values. */
function composeText(value: string): string {
  return yamlScalar(value.replaceAll('$', '$$$$'));
}

function nginxFile(deployment: Deployment, { command }: ComposeOptions): string {
  return `${writtenBy(deployment, 'In front of the replicas: a request that a replica could not take goes to the next one.', command)}worker_processes auto;
events { worker_connections 4096; }
http {
  upstream models {
    least_conn;
    # Kept-alive connections to the replicas.
    keepalive 64;
${replicaServices(deployment).map((service) => `    server ${service}:${deploymentPorts.http} max_fails=1 fail_timeout=2s;\n`).join('')}  }
  server {
    listen 8000;
    # Images and tensors are large.
    client_max_body_size 64m;
    location / {
      proxy_pass http://models;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      # Inference may be repeated: it changes nothing. Models that carry a state from request to request (sequences) may not:
      # take non_idempotent out for them, and keep each client with one replica: ip_hash in place of least_conn.
      proxy_next_upstream error timeout http_503 non_idempotent;
      proxy_next_upstream_tries ${Math.max(2, deployment.replicas)};
      proxy_connect_timeout 2s;
      proxy_read_timeout 120s;
      # Streams must not be held back.
      proxy_buffering off;
    }
  }
}
`;
}
