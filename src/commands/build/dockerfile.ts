/** A Dockerfile to own, for machines with and without GPUs, and the .dockerignore beside it. */
import { version } from '../../version.ts';
import { defaultNodeVersion } from './plan-layers.ts';

/** What the image takes of the build's context. */
export interface Copy {
  /** Below the build's context. */
  readonly path: string;
  /** Where its files go: `/models/digits/`. */
  readonly target: string;
  readonly service: boolean;
  /** Whether a package.json beside the service names packages. */
  readonly installs: boolean;
}

export interface DockerfileOptions {
  /** Files of services, as paths below the image's root. */
  readonly services: readonly string[];
  readonly gpu: 'cuda' | undefined;
}

/** What compiles services in TypeScript when they start. */
const esbuildVersion = '0.28.2';
/** The one that Modelport's packages are made from: its provider for CUDA must be of the same version. */
export const onnxRuntimeVersion = '1.30.0';
/** What the provider that the npm package fetches is linked with: https://onnxruntime.ai/docs/execution-providers/CUDA-ExecutionProvider.html#requirements */
const cudaImage = 'nvidia/cuda:12.8.1-cudnn-runtime-ubuntu24.04';

const dependencies = (services: readonly string[]): string => `
# Dependencies: made again only when Modelport's version changes.
FROM \${NODE_IMAGE} AS dependencies
# A version, or the address of a tarball.
ARG MODELPORT=modelport@${version}
WORKDIR /opt/modelport
# hadolint ignore=DL3016
RUN npm install --omit=dev --no-audit --no-fund --ignore-scripts "\${MODELPORT}"${services.length > 0 ? ` esbuild@${esbuildVersion}` : ''} && npm cache clean --force
`;

const cudaProvider = `
# ONNX Runtime's provider for CUDA is too large for npm: the install script of its package fetches it.
FROM \${NODE_IMAGE} AS cuda
WORKDIR /opt/onnxruntime
RUN ONNXRUNTIME_NODE_INSTALL=cuda12 npm install --no-audit --no-fund onnxruntime-node@${onnxRuntimeVersion} && npm cache clean --force
WORKDIR /opt/provider
RUN cp /opt/onnxruntime/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so \\
       /opt/onnxruntime/node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_shared.so ./
`;

const servicePackages = ({ path }: Copy, stage: string): string => {
  const beside = path === '.' ? '' : `${path}/`;
  return `
# Packages of the service: made again only when its package.json or lock file changes.
FROM \${NODE_IMAGE} AS ${stage}
WORKDIR /app
COPY ["${beside}package.json", "${beside}package-lock.jso[n]", "/app/"]
RUN if [ -f package-lock.json ]; then npm ci --omit=dev --ignore-scripts; else npm install --omit=dev --no-audit --no-fund --ignore-scripts; fi
`;
};

export function renderDockerfile(copies: readonly Copy[], { services, gpu }: DockerfileOptions): string {
  const served = [...(copies.some(({ service }) => !service) ? ['/models'] : []), ...services.map((path) => `/${path}`)];
  const installing = copies.filter(({ installs }) => installs);
  const stage = (index: number): string => `service${index === 0 ? '' : index + 1}`;
  const cuda = gpu === 'cuda';
  return `# Serves models with Modelport${cuda ? ' on NVIDIA GPUs' : ''}. Written by \`modelport build --dockerfile${cuda ? ' --gpu cuda' : ''}\`; it is yours now.
#   docker build -t me/app:1 .
#   docker run --rm -p 8000:8000${cuda ? ' --gpus all' : ''} --read-only --tmpfs /tmp me/app:1
${cuda ? '# For linux/amd64. The machine needs a driver for CUDA 12 and the NVIDIA Container Toolkit.\n' : ''}# Images are pinned by version. By their digests (node@sha256:…) a build gives the same on any day.
ARG NODE_IMAGE=node:${defaultNodeVersion}-bookworm-slim
${cuda ? `ARG CUDA_IMAGE=${cudaImage}\n` : ''}${dependencies(services)}${cuda ? cudaProvider : ''}${installing.map((copy, index) => servicePackages(copy, stage(index))).join('')}
FROM \${${cuda ? 'CUDA_IMAGE' : 'NODE_IMAGE'}}
${cuda ? 'COPY --from=dependencies /usr/local/bin/node /usr/local/bin/node\n' : ''}COPY --from=dependencies /opt/modelport /opt/modelport
${cuda ? '# It is looked for beside the library that loads it.\nCOPY --from=cuda /opt/provider /opt/modelport/node_modules/@modelport/onnxruntime-linux-x64\n' : ''}ENV NODE_ENV=production \\
    LANG=C.UTF-8 \\
    MODELPORT_HOST=0.0.0.0 \\
    MODELPORT_CACHE_DIR=/tmp/modelport \\
${cuda ? '    MODELPORT_EXECUTION_PROVIDER=cuda \\\n' : ''}    MALLOC_MMAP_THRESHOLD_=4194304 \\
    MALLOC_TRIM_THRESHOLD_=16777216
# Models last: they change most often. One COPY for each, so that one that changes leaves the others cached.
${installing.map((_copy, index) => `COPY --from=${stage(index)} /app /app\n`).join('')}${copies.map(({ path, target }) => `COPY ${JSON.stringify([path, target])}`).join('\n')}
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

/** `copies`: paths below the build's context. */
export function renderDockerignore(copies: readonly string[]): string {
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
nginx.conf
`;
}
