/**
 * A client of OCI registries (Distribution Specification 1.1): content up and down by digest, checked on both sides, resumed where it broke off.
 * https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md
 */
import { createHash } from 'node:crypto';
import { ModelportError } from '../../errors.ts';
import { HttpClient, shownUrl, type HttpClientOptions, type IncomingResponse, type OutgoingRequest } from '../../http-client.ts';
import type { Descriptor } from '../content-store.ts';
import { mediaTypes, type Blob } from '../image/oci.ts';
import { answerChallenge, parseChallenge } from './authorization.ts';
import { findCredentials, type Credentials } from './credentials.ts';
import { registryAddress, showReference, type Reference } from './reference.ts';

export interface RegistryClientOptions extends HttpClientOptions {
  /** Speaks HTTP to a host that is not this machine. */
  readonly plainHttp?: boolean;
  readonly environment?: NodeJS.ProcessEnv;
  /** In place of what is stored. */
  readonly credentials?: Credentials;
  /** Pieces of a large upload. Default 64 MiB. */
  readonly chunkBytes?: number;
}

export interface PulledManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

const maximumManifestBytes = 16 << 20;
const defaultChunkBytes = 64 << 20;
const uploadAttempts = 5;
const acceptedManifests = [mediaTypes.index, mediaTypes.manifest, mediaTypes.dockerList, mediaTypes.dockerManifest].join(', ');

type Progress = (doneBytes: number) => void;

export class RegistryClient implements AsyncDisposable {
  readonly registry: string;
  readonly #http: HttpClient;
  readonly #address: string;
  readonly #options: RegistryClientOptions;
  /** By repository and right. */
  readonly #authorizations = new Map<string, string>();
  #credentials: Promise<Credentials | undefined> | undefined;

  constructor(registry: string, options: RegistryClientOptions = {}) {
    this.registry = registry;
    this.#options = options;
    this.#http = new HttpClient(options);
    this.#address = registryAddress(registry, options.plainHttp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#http.close();
  }

  /** Throws `UNAUTHENTICATED` where the registry does not let one in, `NOT_FOUND` where the host is no registry. */
  async ping(): Promise<void> {
    const response = await this.#request('', 'pull', '/v2/', {});
    await response.discard();
    if (response.status === 404) throw new ModelportError('NOT_FOUND', `${this.registry} is no registry: it has no /v2/`);
    if (response.status !== 200) throw new ModelportError('UNAVAILABLE', `${this.registry} answered ${response.status}`);
  }

  /** The digest of a name, without the content; undefined where it is not there. */
  async resolve({ repository, tag, digest }: Reference): Promise<Descriptor | undefined> {
    const response = await this.#request(repository, 'pull', `/v2/${repository}/manifests/${digest ?? tag ?? 'latest'}`, { method: 'HEAD', headers: { accept: acceptedManifests } });
    await response.discard();
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw await this.#problem(response, `${this.registry}/${repository}`);
    const found = response.headers['docker-content-digest'] ?? digest;
    if (found === undefined || !/^sha256:[0-9a-f]{64}$/.test(found)) return (await this.manifest({ registry: this.registry, repository, tag, digest })).descriptor;
    return { mediaType: response.headers['content-type'] ?? mediaTypes.manifest, digest: found, size: Number(response.headers['content-length'] ?? 0) };
  }

  /** A manifest or index, checked against its digest. Throws `NOT_FOUND`. */
  async manifest(reference: Reference): Promise<PulledManifest> {
    const { repository, tag, digest } = reference;
    const response = await this.#request(repository, 'pull', `/v2/${repository}/manifests/${digest ?? tag ?? 'latest'}`, { headers: { accept: acceptedManifests } });
    if (response.status !== 200) throw await this.#problem(response, showReference(reference));
    const bytes = await response.bytes(maximumManifestBytes);
    const found = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const announced = digest ?? response.headers['docker-content-digest'];
    if (announced?.startsWith('sha256:') === true && announced !== found) throw new ModelportError('INVALID_MODEL', `${this.registry} gave something with the digest ${found} for ${showReference(reference)}, where ${announced} was due: the registry or somebody on the way changed it`);
    const mediaType = (response.headers['content-type'] ?? '').split(';')[0]!.trim() || mediaTypes.manifest;
    return { descriptor: { mediaType, digest: found, size: bytes.byteLength }, bytes };
  }

  /** A blob, piece by piece, resumed where the connection breaks. Whoever keeps it checks its digest. */
  async *blob(repository: string, descriptor: Descriptor, from = 0): AsyncIterable<Uint8Array> {
    const path = `/v2/${repository}/blobs/${descriptor.digest}`;
    // The first answer says where the blob really is, and whether one may have it.
    const head = await this.#request(repository, 'pull', path, { method: 'HEAD' });
    await head.discard();
    if (head.status !== 200) throw await this.#problem(head, `${descriptor.digest} in ${this.registry}/${repository}`);
    const authorization = this.#authorizations.get(`${repository} pull`) ?? this.#authorizations.get(`${repository} pull,push`);
    yield* this.#http.download(`${this.#address}${path}`, { from, headers: authorization === undefined ? {} : { authorization } });
  }

  async hasBlob(repository: string, digest: string): Promise<boolean> {
    const response = await this.#request(repository, 'pull,push', `/v2/${repository}/blobs/${digest}`, { method: 'HEAD' });
    await response.discard();
    return response.status === 200;
  }

  /** Puts a blob there unless it is there. Tells how it went: `there`, `mounted` from another repository, or `sent`. */
  async pushBlob(repository: string, blob: Blob, progress?: Progress): Promise<'there' | 'mounted' | 'sent'> {
    const { descriptor, mountFrom } = blob;
    if (await this.hasBlob(repository, descriptor.digest)) return 'there';
    const mounts = mountFrom?.registry === this.registry && mountFrom.repository !== repository;
    const started = mounts ? await this.#mount(repository, descriptor.digest, mountFrom.repository) : await this.#begin(repository, '');
    if (started === undefined) return 'mounted';
    const chunkBytes = this.#options.chunkBytes ?? defaultChunkBytes;
    if (descriptor.size <= chunkBytes) await this.#sendWhole(repository, blob, started, progress);
    else await this.#sendPieces(repository, blob, started, chunkBytes, progress);
    return 'sent';
  }

  /**
   * Sends content while it is made, in one stream whose digest is told at its end, as `docker push` does it. Where that breaks, `make` is asked for it once more and
   * it goes on where the registry is; it must give the same bytes each time.
   */
  async pushStream(repository: string, make: () => AsyncIterable<Uint8Array>, mediaType: string, progress?: Progress): Promise<Descriptor> {
    const hash = createHash('sha256');
    let size = 0;
    let complete = false;
    const reader = new PieceReader((async function* () {
      for await (const chunk of make()) {
        hash.update(chunk);
        size += chunk.byteLength;
        yield chunk;
      }
      complete = true;
    })());
    const begun = (await this.#begin(repository, ''))!;
    let place: string | undefined;
    try {
      try {
        const response = await this.#request(repository, 'pull,push', begun, { method: 'PATCH', attempts: 1, headers: { 'content-type': 'application/octet-stream' }, body: () => counted(reader.rest(), 0, progress) });
        if (response.status !== 202 && response.status !== 204) throw await this.#problem(response, `${this.registry}/${repository}`);
        place = this.#location(response);
        await response.discard();
      } catch (error) {
        if (!isBroken(error)) throw error;
        // Only its end tells the digest: it is made to the end, and what did not arrive is sent again.
        await reader.drain();
        if (!complete) throw error;
      }
    } finally {
      await reader.close();
    }
    const descriptor: Descriptor = { mediaType, digest: `sha256:${hash.digest('hex')}`, size };
    if (place !== undefined && complete) await this.#finish(repository, place, descriptor.digest);
    else if (!(await this.hasBlob(repository, descriptor.digest))) await this.#sendPieces(repository, { descriptor, open: make }, begun, this.#options.chunkBytes ?? defaultChunkBytes, progress, true);
    return descriptor;
  }

  /** Names a manifest, or puts it there by its digest alone. Returns whether the registry knows what `subject` means. */
  async pushManifest(repository: string, name: string, { mediaType, digest }: Descriptor, bytes: Uint8Array): Promise<{ readonly knowsSubject: boolean }> {
    const response = await this.#request(repository, 'pull,push', `/v2/${repository}/manifests/${name}`, { method: 'PUT', headers: { 'content-type': mediaType }, body: bytes });
    if (response.status !== 201 && response.status !== 200 && response.status !== 202) throw await this.#problem(response, `${this.registry}/${repository}:${name}`);
    await response.discard();
    const announced = response.headers['docker-content-digest'];
    if (announced?.startsWith('sha256:') === true && announced !== digest) throw new ModelportError('INVALID_MODEL', `${this.registry} says that ${repository}:${name} has the digest ${announced}, but ${digest} was sent: it keeps something else than it was given`);
    return { knowsSubject: response.headers['oci-subject'] !== undefined };
  }

  /** Where to send; undefined where the registry took the blob over from the other repository. */
  async #begin(repository: string, query: string, from?: string): Promise<string | undefined> {
    const response = await this.#request(repository, 'pull,push', `/v2/${repository}/blobs/uploads/${query}`, { method: 'POST', headers: { 'content-length': '0' } }, from);
    await response.discard();
    if (response.status === 201) return undefined;
    if (response.status !== 202) throw await this.#problem(response, `${this.registry}/${repository}`);
    return this.#location(response);
  }

  /** A registry that does not let one take it over is sent it. */
  async #mount(repository: string, digest: string, from: string): Promise<string | undefined> {
    try {
      return await this.#begin(repository, `?mount=${digest}&from=${encodeURIComponent(from)}`, from);
    } catch (error) {
      if (!(error instanceof ModelportError)) throw error;
      return await this.#begin(repository, '');
    }
  }

  #location(response: IncomingResponse): string {
    const { location } = response.headers;
    if (location === undefined) throw new ModelportError('UNAVAILABLE', `${this.registry} does not say where to send the content`);
    return new URL(location, response.url).href;
  }

  async #sendWhole(repository: string, { descriptor, open }: Blob, first: string, progress: Progress | undefined): Promise<void> {
    let place: string | undefined = first;
    for (let attempt = 1; ; attempt++) {
      place ??= await this.#begin(repository, '');
      if (place === undefined) return;
      try {
        const response = await this.#request(repository, 'pull,push', withDigest(place, descriptor.digest), { method: 'PUT', attempts: 1, headers: { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) }, body: () => counted(open(), 0, progress) });
        if (response.status === 201) {
          await response.discard();
          return;
        }
        const problem = await this.#problem(response, `${this.registry}/${repository}`);
        if (attempt >= uploadAttempts || response.status < 500) throw problem;
      } catch (error) {
        if (attempt >= uploadAttempts || !isBroken(error)) throw error;
      }
      // The registry may have it all, and only its answer was lost.
      if (await this.hasBlob(repository, descriptor.digest)) return;
      place = undefined;
    }
  }

  async #sendPieces(repository: string, { descriptor, open }: Blob, first: string, chunkBytes: number, progress: Progress | undefined, begun = false): Promise<void> {
    const state = begun ? await this.#received(repository, first).catch(() => undefined) : undefined;
    let place = begun && state === undefined ? (await this.#begin(repository, ''))! : (state?.place ?? first);
    let sent = Math.min(state?.bytes ?? 0, descriptor.size);
    let failures = 0;
    let source = new PieceReader(open());
    await source.skip(sent);
    while (sent < descriptor.size) {
      const length = Math.min(chunkBytes, descriptor.size - sent);
      try {
        const at = sent;
        const reader = source;
        const response = await this.#request(repository, 'pull,push', place, {
          method: 'PATCH',
          attempts: 1,
          headers: { 'content-type': 'application/octet-stream', 'content-length': String(length), 'content-range': `${at}-${at + length - 1}` },
          body: () => counted(reader.take(length), at, progress),
        });
        await response.discard();
        if (response.status >= 500) throw new ModelportError('UNAVAILABLE', `${this.registry} answered ${response.status}`);
        if (response.status !== 202 && response.status !== 204) {
          if (response.status !== 416) throw await this.#problem(response, `${this.registry}/${repository}`);
          throw new ModelportError('UNAVAILABLE', `${this.registry} has another part of the content than it was sent`);
        }
        place = this.#location(response);
        sent += length;
        failures = 0;
      } catch (error) {
        await source.close();
        if (++failures >= uploadAttempts || !isBroken(error)) throw error;
        const state = await this.#received(repository, place);
        if (state === undefined) {
          const again = await this.#begin(repository, '');
          if (again === undefined) return;
          place = again;
          sent = 0;
        } else {
          place = state.place;
          sent = Math.min(state.bytes, descriptor.size);
        }
        source = new PieceReader(open());
        await source.skip(sent);
      }
    }
    await source.close();
    await this.#finish(repository, place, descriptor.digest);
  }

  async #finish(repository: string, place: string, digest: string): Promise<void> {
    const response = await this.#request(repository, 'pull,push', withDigest(place, digest), { method: 'PUT', attempts: 1, headers: { 'content-length': '0' } });
    if (response.status !== 201 && !(await this.hasBlob(repository, digest))) throw await this.#problem(response, `${this.registry}/${repository}`);
    await response.discard();
  }

  /** How much of an upload arrived; undefined where the registry forgot it. */
  async #received(repository: string, place: string): Promise<{ readonly place: string; readonly bytes: number } | undefined> {
    const response = await this.#request(repository, 'pull,push', place, {});
    await response.discard();
    if (response.status !== 204 && response.status !== 202 && response.status !== 200) return undefined;
    const range = /^(?:bytes=)?0-(\d+)$/.exec(response.headers['range'] ?? '');
    // `0-0` is what registries say of nothing, too.
    const last = range === null ? 0 : Number(range[1]);
    return { place: response.headers['location'] === undefined ? place : this.#location(response), bytes: last === 0 ? 0 : last + 1 };
  }

  /** `path`: below the registry, or a whole address that it gave. */
  async #request(repository: string, right: 'pull' | 'pull,push', path: string, request: OutgoingRequest, mountFrom?: string): Promise<IncomingResponse> {
    const url = path.startsWith('/') ? `${this.#address}${path}` : path;
    const own = new URL(url).origin === new URL(this.#address).origin;
    const key = `${repository} ${right}${mountFrom === undefined ? '' : ` ${mountFrom}`}`;
    const send = async (authorization: string | undefined): Promise<IncomingResponse> => await this.#http.request(url, { ...request, headers: { ...request.headers, ...(authorization === undefined || !own ? {} : { authorization }) } });
    const response = await send(this.#authorizations.get(key));
    if (response.status !== 401) return response;
    const challenge = parseChallenge(response.headers['www-authenticate'] ?? '');
    await response.discard();
    if (challenge === undefined || !own) throw new ModelportError('UNAUTHENTICATED', `${shownUrl(url)} answered 401 and does not say how to log in`);
    const scopes = repository === '' ? [] : [`repository:${repository}:${right}`, ...(mountFrom === undefined ? [] : [`repository:${mountFrom}:pull`])];
    this.#credentials ??= this.#options.credentials === undefined ? findCredentials(this.registry, this.#options.environment) : Promise.resolve(this.#options.credentials);
    const authorization = await answerChallenge(this.#http, challenge, scopes, await this.#credentials, this.registry);
    this.#authorizations.set(key, authorization);
    // What was read for the first attempt is gone: whoever sends it begins again where the registry is.
    if (typeof request.body === 'function') throw new ModelportError('UNAVAILABLE', `${this.registry} wanted to be told again who sends`);
    const again = await send(authorization);
    if (again.status === 401) {
      await again.discard();
      throw new ModelportError('UNAUTHENTICATED', `${this.registry} refuses the name and password that are stored for it${repository === '' ? '' : ` for ${repository}`}: modelport login ${this.registry}`);
    }
    return again;
  }

  async #problem(response: IncomingResponse, what: string): Promise<ModelportError> {
    const said = registryMessage(await response.text(65_536).catch(() => ''));
    const text = `${this.registry} answered ${response.status} for ${what}${said === '' ? '' : `: ${said}`}`;
    if (response.status === 404) return new ModelportError('NOT_FOUND', /NAME_UNKNOWN/.test(said) ? `${this.registry} has no ${what}: there is no such repository, or you may not see it (modelport login ${this.registry})` : `there is no ${what}${said === '' ? '' : ` (${said})`}`);
    if (response.status === 403) return new ModelportError('FORBIDDEN', `${text}. You may not do that there, or a quota is used up`);
    if (response.status === 413) return new ModelportError('INVALID_USAGE', `${text}. It is larger than the registry takes`);
    if (/DIGEST_INVALID/.test(said)) return new ModelportError('INVALID_MODEL', `${text}. The content changed while it was sent, or on its way`);
    return new ModelportError(response.status === 429 || response.status >= 500 ? 'UNAVAILABLE' : 'INVALID_USAGE', text);
  }
}

/** `CODE: message` of the registry's own error document. */
function registryMessage(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: string; message?: string }[] };
    return (errors ?? []).map(({ code, message }) => `${code ?? ''}: ${message ?? ''}`).join('; ').slice(0, 300);
  } catch {
    return text.trimStart().startsWith('<') ? '' : text.trim().slice(0, 300);
  }
}

function withDigest(place: string, digest: string): string {
  const url = new URL(place);
  url.searchParams.set('digest', digest);
  return url.href;
}

/** Where trying again makes sense. */
function isBroken(error: unknown): boolean {
  return !(error instanceof ModelportError) || error.code === 'UNAVAILABLE';
}

async function* counted(chunks: AsyncIterable<Uint8Array>, from: number, progress: Progress | undefined): AsyncIterable<Uint8Array> {
  let done = from;
  for await (const chunk of chunks) {
    yield chunk;
    done += chunk.byteLength;
    progress?.(done);
  }
}

/** Takes a stream piece by piece, without ending it between the pieces. */
class PieceReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async *take(length: number): AsyncIterable<Uint8Array> {
    for (let missing = length; missing > 0; ) {
      if (this.#rest.byteLength === 0) {
        const next = await this.#chunks.next();
        if (next.done === true) throw new ModelportError('INVALID_USAGE', 'a file became shorter while it was sent');
        this.#rest = next.value;
      }
      const part = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(part.byteLength);
      missing -= part.byteLength;
      yield part;
    }
  }

  async *rest(): AsyncIterable<Uint8Array> {
    if (this.#rest.byteLength > 0) yield this.#rest;
    this.#rest = new Uint8Array(0);
    for (let next = await this.#chunks.next(); next.done !== true; next = await this.#chunks.next()) yield next.value;
  }

  /** Reads to the end, for nobody. An error of the source ends it, too. */
  async drain(): Promise<void> {
    try {
      while ((await this.#chunks.next()).done !== true);
    } catch {
      // Whoever made it knows that it is not complete.
    }
  }

  async skip(length: number): Promise<void> {
    for await (const chunk of this.take(length)) void chunk;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
