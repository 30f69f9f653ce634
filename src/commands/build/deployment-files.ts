/** `build --dockerfile` and `--compose`: the same image as files for people who want to own how it is made. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { ModelportError } from '../../errors.ts';
import { version } from '../../version.ts';
import type { BuildFlags } from '../build.ts';
import { planApplication } from './plan-application.ts';
import { defaultNodeVersion } from './plan-layers.ts';

/** Written into the folder that is the build's context: here, or the one that the flag names. */
export async function writeDeploymentFiles(paths: readonly string[], flags: BuildFlags): Promise<void> {
  const folder = typeof flags.dockerfile === 'string' ? flags.dockerfile : typeof flags.compose === 'string' ? flags.compose : '.';
  const application = await planApplication(paths, { services: 'sources', ...(flags.include === undefined ? {} : { included: flags.include }), ...(flags.exclude === undefined ? {} : { excluded: flags.exclude }), ...(flags.cacheDir === undefined ? {} : { cacheDirectory: flags.cacheDir }) });
  const copies = paths.map((path) => {
    // A service comes with the folder that it lies in: what it imports and reads is there.
    const inside = relative(resolve(folder), resolve(isService(path) ? dirname(path) : path)).split(sep).join('/');
    if (inside.startsWith('..') || isAbsolute(inside)) throw new ModelportError('INVALID_USAGE', `${path} lies outside ${resolve(folder)}, and Docker takes only what is in there: give the folder that holds both, as in --dockerfile ${resolve(path, '..')}`);
    return { path: inside === '' ? '.' : inside, service: isService(path), installs: isService(path) && existsSync(join(dirname(path), 'package.json')) };
  });
  const single = application.models.length === 1 && application.services.length === 0 ? application.models[0]!.name : undefined;
  const files = new Map<string, string>();
  files.set('Dockerfile', renderDockerfile(copies, single, application.services));
  files.set('.dockerignore', renderDockerignore(copies.map(({ path }) => path)));
  if (flags.compose !== undefined) {
    files.set('compose.yaml', renderCompose(flags.tag?.[0] ?? 'modelport-app:latest'));
    files.set('nginx.conf', renderNginx());
  }
  const there = [...files.keys()].filter((name) => existsSync(join(folder, name)));
  if (there.length > 0 && flags.force !== true) throw new ModelportError('INVALID_USAGE', `${there.map((name) => join(folder, name)).join(', ')}: there already; write over with --force`);
  await mkdir(folder, { recursive: true });
  for (const [name, text] of files) {
    await writeFile(join(folder, name), text);
    process.stdout.write(`Written  ${join(folder, name)}\n`);
  }
}

interface Copy {
  /** Below the build's context. */
  readonly path: string;
  readonly service: boolean;
  /** Whether a package.json beside the service names packages. */
  readonly installs: boolean;
}

function isService(path: string): boolean {
  return /\.[cm]?[jt]s$/.test(path);
}

/** What compiles services in TypeScript when they start. */
const esbuildVersion = '0.28.2';

function renderDockerfile(copies: readonly Copy[], single: string | undefined, services: readonly string[]): string {
  const target = ({ service }: Copy): string => (service ? '/app/' : single !== undefined ? `/models/${single}/` : '/models/');
  const served = [...(copies.some(({ service }) => !service) ? ['/models'] : []), ...services.map((path) => `/${path}`)];
  const installing = copies.filter(({ installs }) => installs);
  const beside = (path: string): string => (path === '.' ? '' : `${path}/`);
  return `# Serves models with Modelport. Written by \`modelport build --dockerfile\`; it is yours now.
#   docker build -t me/app:1 .
#   docker run --rm -p 8000:8000 --read-only --tmpfs /tmp me/app:1
ARG NODE_IMAGE=node:${defaultNodeVersion}-bookworm-slim

# Dependencies: made again only when Modelport's version changes.
FROM \${NODE_IMAGE} AS dependencies
# A version, or the address of a tarball.
ARG MODELPORT=modelport@${version}
WORKDIR /opt/modelport
RUN npm install --omit=dev --no-audit --no-fund --ignore-scripts "\${MODELPORT}"${services.length > 0 ? ` esbuild@${esbuildVersion}` : ''} && npm cache clean --force
${installing.map(({ path }, index) => `
# Packages of the service: made again only when its package.json or lock file changes.
FROM \${NODE_IMAGE} AS service${index === 0 ? '' : index + 1}
WORKDIR /app
COPY ["${beside(path)}package.json", "${beside(path)}package-lock.jso[n]", "/app/"]
RUN if [ -f package-lock.json ]; then npm ci --omit=dev --ignore-scripts; else npm install --omit=dev --no-audit --no-fund --ignore-scripts; fi
`).join('')}
FROM \${NODE_IMAGE}
COPY --from=dependencies /opt/modelport /opt/modelport
ENV NODE_ENV=production \\
    LANG=C.UTF-8 \\
    MODELPORT_HOST=0.0.0.0 \\
    MODELPORT_CACHE_DIR=/tmp/modelport \\
    MALLOC_MMAP_THRESHOLD_=4194304 \\
    MALLOC_TRIM_THRESHOLD_=16777216
# Models last: they change most often. One COPY for each, so that one that changes leaves the others cached.
${installing.map((_copy, index) => `COPY --from=service${index === 0 ? '' : index + 1} /app /app\n`).join('')}${copies.map((copy) => `COPY ${JSON.stringify([copy.path, target(copy)])}`).join('\n')}
USER 65532:65532
# REST, page and documentation; gRPC; metrics
EXPOSE 8000 8001 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \\
  CMD ["node", "-e", "fetch('http://127.0.0.1:8000/v2/health/ready').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
ENTRYPOINT ["node", "/opt/modelport/node_modules/modelport/dist/cli.js"]
CMD ${JSON.stringify(['serve', ...served])}
`;
}

function renderDockerignore(copies: readonly string[]): string {
  const allowed = copies.includes('.') ? [] : ['*', ...copies.map((path) => `!${path}`)];
  return `# Only what is served goes into the build.
${allowed.join('\n')}${allowed.length === 0 ? '' : '\n'}**/.git
**/node_modules
**/.env*
**/*.key
**/*.pem
**/.DS_Store
Dockerfile
compose.yaml
`;
}

function renderCompose(image: string): string {
  return `# Three replicas behind NGINX. Written by \`modelport build --compose\`; it is yours now.
#   docker compose up --build
services:
${[1, 2, 3].map((number) => `  models-${number}:
${number === 1 ? '    build: .\n' : ''}    image: ${image}
    read_only: true
    tmpfs: [/tmp]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    restart: unless-stopped
    # Requests under way are answered before it goes.
    stop_grace_period: 40s
    healthcheck:
      test: ["CMD", "node", "-e", "fetch('http://127.0.0.1:8000/v2/health/ready').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
      interval: 5s
      timeout: 5s
      start_period: 60s
      retries: 3
`).join('')}  proxy:
    image: nginx:1.28-alpine
    volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]
    ports: ["8000:8000"]
    restart: unless-stopped
    depends_on:
${[1, 2, 3].map((number) => `      models-${number}: { condition: service_healthy }\n`).join('')}`;
}

function renderNginx(): string {
  return `# In front of the replicas. A request that a replica could not take goes to the next one.
worker_processes auto;
events { worker_connections 4096; }
http {
  upstream models {
    least_conn;
    # Kept-alive connections to the replicas.
    keepalive 64;
${[1, 2, 3].map((number) => `    server models-${number}:8000 max_fails=1 fail_timeout=2s;\n`).join('')}  }
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
      # take non_idempotent out for them, and balance by \`hash $http_triton_sequence_id\`.
      proxy_next_upstream error timeout http_503 non_idempotent;
      proxy_next_upstream_tries 3;
      proxy_connect_timeout 2s;
      # Streams must not be held back.
      proxy_buffering off;
    }
  }
}
`;
}
