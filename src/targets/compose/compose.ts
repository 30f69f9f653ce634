/** Replicas behind NGINX on one machine, by Docker Compose. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ModelportError } from '../../errors.ts';
import { yamlScalar } from '../../lib/yaml-scalar.ts';
import type { ApplyContext, Deployment, DeploymentFile, Target, TargetOptions } from '../../target.ts';
import { deploymentPorts, writtenBy } from '../../target.ts';

const run = promisify(execFile);

export const compose: Target = {
  name: 'compose',
  summary: 'replicas behind NGINX on one machine, by Docker Compose',
  usesImage: true,
  options: [
    { flags: '--publish <port>', description: 'port of this machine that answers HTTP', kind: 'integer', default: deploymentPorts.http },
    { flags: '--address <address>', description: 'address of this machine that the port is opened on', default: '127.0.0.1' },
    { flags: '--proxy-image <image>', description: "NGINX's image", default: 'nginx:1.28-alpine' },
  ],
  render,
  applyByHand: (_deployment, _options, folder) => `docker compose --project-directory ${folder} up --detach --wait`,
  apply,
};

async function render(deployment: Deployment, options: TargetOptions): Promise<readonly DeploymentFile[]> {
  return [
    { path: 'compose.yaml', content: composeFile(deployment, options) },
    { path: 'nginx.conf', content: nginxFile(deployment) },
  ];
}

const numbers = ({ replicas }: Deployment): number[] => Array.from({ length: replicas }, (_, index) => index + 1);

function composeFile(deployment: Deployment, options: TargetOptions): string {
  const { name, image, environment, drainSeconds, readySeconds, memoryBytes } = deployment;
  const variables = { MODELPORT_DRAIN_TIMEOUT: `${drainSeconds}s`, MODELPORT_LOG_FORMAT: 'json', ...environment };
  return `${writtenBy(deployment, `${deployment.replicas} replicas behind NGINX: docker compose up --detach --wait`)}name: ${name}

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
  pids_limit: 512
  restart: unless-stopped
  # Requests under way are answered before it goes.
  stop_grace_period: ${drainSeconds + 10}s
  healthcheck:
    test: ["CMD", "node", "-e", "fetch('http://127.0.0.1:${deploymentPorts.http}/v2/health/ready').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
    interval: 5s
    timeout: 5s
    start_period: ${readySeconds}s
    retries: 3

services:
${numbers(deployment).map((number) => `  models-${number}:\n    <<: *replica\n`).join('')}
  proxy:
    image: ${yamlScalar(String(options['proxyImage']))}
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
    ports: [${JSON.stringify(`${String(options['address'])}:${String(options['publish'])}:8000`)}]
    restart: unless-stopped
    depends_on:
${numbers(deployment).map((number) => `      models-${number}: { condition: service_healthy }\n`).join('')}`;
}

/** Compose replaces `$NAME` in values. */
function composeText(value: string): string {
  return yamlScalar(value.replaceAll('$', '$$$$'));
}

function nginxFile(deployment: Deployment): string {
  return `${writtenBy(deployment, 'In front of the replicas: a request that a replica could not take goes to the next one.')}worker_processes auto;
events { worker_connections 4096; }
http {
  upstream models {
    least_conn;
    # Kept-alive connections to the replicas.
    keepalive 64;
${numbers(deployment).map((number) => `    server models-${number}:${deploymentPorts.http} max_fails=1 fail_timeout=2s;\n`).join('')}  }
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
      # Inference may be repeated: it changes nothing. For models that carry a state from request to request (sequences) take non_idempotent out.
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

/** Containers mount nginx.conf for as long as they live, so its folder is one that stays. */
async function apply(deployment: Deployment, options: TargetOptions, context: ApplyContext): Promise<void> {
  const { folder } = context;
  if (folder === undefined) throw new ModelportError('INVALID_USAGE', 'compose --apply needs a folder that stays, for the files that the containers use: -o deploy', { at: '--output' });
  const [command, ...first] = await composeProgram(context);
  context.note(`${deployment.replicas} replicas and NGINX start; waiting until they are healthy`);
  try {
    await run(command!, [...first, '--project-directory', folder, 'up', '--detach', '--wait'], { env: context.environment, ...(context.signal === undefined ? {} : { signal: context.signal }), maxBuffer: 8 << 20 });
  } catch (cause) {
    throw new ModelportError('RUN_FAILED', `docker compose: ${((cause as { stderr?: string }).stderr ?? (cause as Error).message).trim().slice(-2000)}`, { cause });
  }
  context.note(`${deployment.name} answers at http://${String(options['address'])}:${String(options['publish'])}`);
}

async function composeProgram(context: ApplyContext): Promise<string[]> {
  try {
    await run('docker', ['compose', 'version'], { env: context.environment });
    return ['docker', 'compose'];
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', 'there is no docker compose (version 2) on this machine: install it, or write the files with -o and run them elsewhere', { cause });
  }
}
