/**
 * A cluster to talk to. Who we are and how it is reached (kubeconfig, tokens, exec plugins, in a pod) is Kubernetes' own client's matter; requests are
 * made here, because server-side apply, strict validation and what errors say are what this is about.
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps, type RequestOptions } from 'node:https';
import { existsSync } from 'node:fs';
import { ModelportError, type ErrorCode } from '../../errors.ts';
import type { TargetOptions } from '../../target.ts';

/** An object of the cluster, as its JSON has it. */
export interface ClusterObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMetadata;
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
  readonly [field: string]: unknown;
}

export interface ObjectMetadata {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly generation?: number;
  readonly resourceVersion?: string;
  readonly creationTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly { readonly uid: string }[];
  readonly managedFields?: readonly { readonly manager: string; readonly operation: string; readonly subresource?: string; readonly fieldsV1?: unknown }[];
}

/** What the cluster says of a request that it did not do; `status` is HTTP's. */
interface Refusal {
  readonly status: number;
  readonly reason: string;
  readonly message: string;
  readonly causes: readonly { readonly reason?: string; readonly message?: string; readonly field?: string }[];
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

interface Connection {
  readonly server: string;
  options(): Promise<RequestOptions>;
}

const requestTimeoutMs = 30_000;
const largestAnswerBytes = 64 << 20;

export class Cluster {
  readonly context: string;
  readonly user: string;
  readonly #connection: Connection;
  readonly #signal: AbortSignal | undefined;
  /** By group and version: kind to the plural that paths have. */
  readonly #kinds = new Map<string, ReadonlyMap<string, string>>();

  constructor(connection: Connection, context: string, user: string, signal: AbortSignal | undefined) {
    this.#connection = connection;
    this.context = context;
    this.user = user;
    this.#signal = signal;
  }

  get server(): string {
    return this.#connection.server;
  }

  /** Undefined where there is no such object. Throws what the cluster says otherwise. */
  async get(apiVersion: string, kind: string, namespace: string, name: string): Promise<ClusterObject | undefined> {
    const answer = await this.#request('GET', await this.#path(apiVersion, kind, namespace, name));
    return answer.status === 404 ? undefined : this.#object(answer, `read ${kind} ${name}`, namespace);
  }

  async list(apiVersion: string, kind: string, namespace: string, query: Readonly<Record<string, string>>): Promise<readonly ClusterObject[]> {
    const answer = await this.#request('GET', await this.#path(apiVersion, kind, namespace), { ...query, limit: '500' });
    return ((this.#object(answer, `list ${kind}s`, namespace) as unknown) as { items: ClusterObject[] }).items;
  }

  /** Server-side apply in strict mode. Throws `CONFLICT` naming fields and owners where somebody else owns what would change. */
  async apply(object: ClusterObject, options: { readonly fieldManager: string; readonly force: boolean; readonly dryRun?: boolean }): Promise<ClusterObject> {
    const { apiVersion, kind, metadata } = object;
    const path = await this.#path(apiVersion, kind, metadata.namespace!, metadata.name);
    const query = { fieldManager: options.fieldManager, fieldValidation: 'Strict', force: String(options.force), ...(options.dryRun === true ? { dryRun: 'All' } : {}) };
    return this.#object(await this.#request('PATCH', path, query, { type: 'application/apply-patch+yaml', body: JSON.stringify(object) }), `apply ${kind} ${metadata.name}`, metadata.namespace!);
  }

  async delete(apiVersion: string, kind: string, namespace: string, name: string): Promise<void> {
    const answer = await this.#request('DELETE', await this.#path(apiVersion, kind, namespace, name));
    if (answer.status !== 404) this.#object(answer, `delete ${kind} ${name}`, namespace);
  }

  async knows(apiVersion: string, kind: string): Promise<boolean> {
    return (await this.#kindsOf(apiVersion)).has(kind);
  }

  async createNamespace(name: string, fieldManager: string): Promise<void> {
    const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
    this.#object(await this.#request('PATCH', `/api/v1/namespaces/${name}`, { fieldManager }, { type: 'application/apply-patch+yaml', body: JSON.stringify(object) }), `create the namespace ${name}`, name);
  }

  async logs(namespace: string, pod: string, query: Readonly<Record<string, string>>): Promise<string> {
    const answer = await this.#request('GET', `/api/v1/namespaces/${namespace}/pods/${pod}/log`, query);
    return answer.status === 200 ? answer.text : '';
  }

  async #kindsOf(apiVersion: string): Promise<ReadonlyMap<string, string>> {
    let kinds = this.#kinds.get(apiVersion);
    if (kinds === undefined) {
      const answer = await this.#request('GET', groupPath(apiVersion));
      if (answer.status >= 300 && answer.status !== 404) throw this.#error(readRefusal(answer), `tell which kinds ${apiVersion} has`, 'any');
      const { resources = [] } = answer.status === 404 ? {} : (JSON.parse(answer.text) as { resources?: { kind: string; name: string }[] });
      kinds = new Map(resources.filter(({ name }) => !name.includes('/')).map(({ kind, name }) => [kind, name]));
      this.#kinds.set(apiVersion, kinds);
    }
    return kinds;
  }

  /** Throws `UNSUPPORTED` where the cluster has no such kind. */
  async #path(apiVersion: string, kind: string, namespace: string, name?: string): Promise<string> {
    const plural = (await this.#kindsOf(apiVersion)).get(kind);
    if (plural === undefined) throw new ModelportError('UNSUPPORTED', `the cluster knows no ${kind} (${apiVersion}): install what brings it, or leave it away`, { at: kind });
    return `${groupPath(apiVersion)}/namespaces/${namespace}/${plural}${name === undefined ? '' : `/${name}`}`;
  }

  #object(answer: Answer, what: string, namespace: string): ClusterObject {
    if (answer.status < 300) return JSON.parse(answer.text) as ClusterObject;
    throw this.#error(readRefusal(answer), what, namespace);
  }

  #error(refusal: Refusal, what: string, namespace: string): ModelportError {
    const { status, message, reason, causes } = refusal;
    if (status === 401) return new ModelportError('UNAUTHENTICATED', `the cluster at ${this.server} does not know who we are (user ${this.user} of context ${this.context}): log in again, or name another --context`);
    if (status === 403) return new ModelportError('FORBIDDEN', `the cluster does not let ${this.user} ${what} in namespace ${namespace}: ${message}`);
    if (status === 404 && /namespaces? "/.test(message)) return new ModelportError('NOT_FOUND', `there is no namespace ${namespace} in the cluster: kubectl create namespace ${namespace}, or --create-namespace`);
    if (status === 409 && reason === 'Conflict' && causes.some((cause) => cause.reason === 'FieldManagerConflict')) {
      const fields = causes.map((cause) => `  ${cause.field ?? '?'}: ${cause.message ?? ''}`);
      return new ModelportError('CONFLICT', `can't ${what}: somebody else owns fields that would change\n${fields.join('\n')}\nLeave them to their owner, or take them over with --force-conflicts`);
    }
    const code: ErrorCode = status === 404 ? 'NOT_FOUND' : status === 400 || status === 422 ? 'INVALID_CONFIG' : status === 409 ? 'CONFLICT' : status === 429 || status >= 500 ? 'UNAVAILABLE' : 'RUN_FAILED';
    return new ModelportError(code, `the cluster can't ${what}: ${message}`);
  }

  async #request(method: string, path: string, query: Readonly<Record<string, string>> = {}, content?: { readonly type: string; readonly body: string }): Promise<Answer> {
    const url = new URL(this.server.replace(/\/$/, '') + path);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    const options = await this.#connection.options();
    const send = url.protocol === 'http:' ? requestHttp : requestHttps;
    const headers = { ...options.headers, accept: 'application/json', ...(content === undefined ? {} : { 'content-type': content.type, 'content-length': Buffer.byteLength(content.body) }) };
    return await new Promise<Answer>((resolve, reject) => {
      const outgoing = send(url, { ...options, method, headers, timeout: requestTimeoutMs, ...(this.#signal === undefined ? {} : { signal: this.#signal }) }, (incoming) => {
        const chunks: Buffer[] = [];
        let sizeBytes = 0;
        incoming.on('data', (chunk: Buffer) => {
          sizeBytes += chunk.length;
          if (sizeBytes > largestAnswerBytes) incoming.destroy(new Error('the answer is longer than 64 MiB'));
          else chunks.push(chunk);
        });
        incoming.on('error', reject);
        incoming.on('end', () => resolve({ status: incoming.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
      });
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer for 30 s')));
      outgoing.on('error', reject);
      outgoing.end(content?.body);
    }).catch((cause: unknown) => {
      if (this.#signal?.aborted === true) throw cause;
      throw new ModelportError('UNAVAILABLE', `can't reach the cluster at ${this.server} (context ${this.context}): ${(cause as Error).message || String((cause as NodeJS.ErrnoException).code)}. Is it up, and does the kubeconfig still fit?`, { cause });
    });
  }
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function readRefusal({ status, text }: Answer): Refusal {
  try {
    const { message, reason, details } = JSON.parse(text) as { message?: string; reason?: string; details?: { causes?: Refusal['causes'] } };
    return { status, message: message ?? text.slice(0, 500), reason: reason ?? '', causes: details?.causes ?? [] };
  } catch {
    return { status, message: `${status} ${text.slice(0, 500)}`.trim(), reason: '', causes: [] };
  }
}

/** Throws `MISSING_DEPENDENCY` without Kubernetes' client, `INVALID_USAGE` where no kubeconfig says where the cluster is. */
export async function openCluster(options: TargetOptions, signal: AbortSignal | undefined): Promise<Cluster> {
  const { KubeConfig } = await import('@kubernetes/client-node').catch((cause: unknown) => {
    throw new ModelportError('MISSING_DEPENDENCY', "talking to a cluster needs Kubernetes' client: npm install @kubernetes/client-node@1.4.0. (Without it: -o deploy, then kubectl apply --server-side -f deploy)", { cause });
  });
  const config = new KubeConfig();
  const file = options['kubeconfig'];
  try {
    if (file === undefined) config.loadFromDefault();
    else {
      if (!existsSync(String(file))) throw new ModelportError('INVALID_USAGE', `there is no kubeconfig ${String(file)}`, { at: '--kubeconfig' });
      config.loadFromFile(String(file));
    }
  } catch (cause) {
    if (cause instanceof ModelportError) throw cause;
    throw new ModelportError('INVALID_USAGE', `the kubeconfig can't be read: ${(cause as Error).message}`, { at: '--kubeconfig', cause });
  }
  const context = options['context'];
  if (context !== undefined) {
    const known = config.getContexts().map(({ name }) => name);
    if (!known.includes(String(context))) throw new ModelportError('INVALID_USAGE', `the kubeconfig has no context '${String(context)}'; it has ${known.join(', ') || 'none'}`, { at: '--context' });
    config.setCurrentContext(String(context));
  }
  const cluster = config.getCurrentCluster();
  // Where nothing is configured the client thinks of a server on this machine, as kubectl did once.
  if (cluster === null || config.getCurrentContext() === 'loaded-context') throw new ModelportError('INVALID_USAGE', 'no kubeconfig says where the cluster is: set KUBECONFIG, or name one with --kubeconfig');
  const connection: Connection = {
    server: cluster.server,
    async options() {
      const made: RequestOptions = {};
      await config.applyToHTTPSOptions(made);
      return made;
    },
  };
  return new Cluster(connection, config.getCurrentContext(), config.getCurrentUser()?.name ?? 'nobody', signal);
}
