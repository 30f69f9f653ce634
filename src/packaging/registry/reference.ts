/** Names of images and artifacts: `host[:port]/path[:tag][@digest]`, as Docker and the OCI Distribution Specification 1.1 write them. */
import { ModelportError } from '../../errors.ts';

export interface Reference {
  /** `ghcr.io`, `localhost:5000`. */
  readonly registry: string;
  /** `team/digits` */
  readonly repository: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const repositoryPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const tagPattern = /^\w[\w.-]{0,127}$/;
const hostPattern = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;
const dockerHub = 'docker.io';

/** Throws `INVALID_USAGE` saying which part is not allowed. A name without a host is Docker Hub's, as everywhere. */
export function parseReferenceName(text: string): Reference {
  const wrong = (reason: string): never => {
    throw new ModelportError('INVALID_USAGE', `'${text}' is no name of an image: ${reason}`, { at: text });
  };
  let rest = text.replace(/^(?:oci|docker):\/\//, '');
  if (rest === '' || rest.length > 512) wrong('write host/team/name:tag');
  let digest: string | undefined;
  const at = rest.indexOf('@');
  if (at >= 0) {
    digest = rest.slice(at + 1);
    rest = rest.slice(0, at);
    if (!/^sha256:[0-9a-f]{64}$/.test(digest)) wrong('what follows @ must be sha256: and 64 hexadecimal digits');
  }
  let tag: string | undefined;
  const colon = rest.lastIndexOf(':');
  if (colon > rest.lastIndexOf('/')) {
    tag = rest.slice(colon + 1);
    rest = rest.slice(0, colon);
    if (!tagPattern.test(tag)) wrong(`the tag '${tag}' may have letters, digits, dots, dashes and underscores, 128 at most, and begins with no dot or dash`);
  }
  const slash = rest.indexOf('/');
  const first = slash < 0 ? '' : rest.slice(0, slash);
  const hasHost = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  const registry = hasHost ? first.toLowerCase() : dockerHub;
  let repository = hasHost ? rest.slice(slash + 1) : rest;
  if (!hostPattern.test(registry)) wrong(`'${registry}' is no host`);
  if (registry === dockerHub && !repository.includes('/')) repository = `library/${repository}`;
  if (repository.toLowerCase() !== repository) wrong(`the path '${repository}' must be in lower case`);
  if (!repositoryPattern.test(repository) || repository.length > 255) wrong(`the path '${repository}' may have lower-case letters and digits, separated by / . _ or -`);
  return { registry, repository, tag, digest };
}

export function showReference({ registry, repository, tag, digest }: Reference): string {
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** Where the registry's API is. Registries on this machine speak plain HTTP, like Docker's rule for 127.0.0.0/8. */
export function registryAddress(registry: string, plainHttp = false): string {
  const host = registry === dockerHub ? 'registry-1.docker.io' : registry;
  return `${plainHttp || isLocal(registry) ? 'http' : 'https'}://${host}`;
}

function isLocal(registry: string): boolean {
  return /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/.test(registry);
}
