/** Files that a person gives → what a request holds: data URLs. */
export function readAsDataUrl(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener('load', () => {
      const url = reader.result as string;
      if (file instanceof File) rememberName(url, file.name);
      resolve(url);
    });
    reader.addEventListener('error', () => reject(reader.error ?? new Error('the file could not be read')));
    // A type that the system does not know is still bytes.
    reader.readAsDataURL(file.type === '' ? file.slice(0, file.size, 'application/octet-stream') : file);
  });
}

/** A data URL does not say how its file was called; this page remembers, for what is on it. */
const names = new Map<string, string>();
const mostNames = 200;

function rememberName(url: string, name: string): void {
  names.delete(url);
  names.set(url, name);
  if (names.size > mostNames) names.delete(names.keys().next().value!);
}

export function nameOf(url: string): string | undefined {
  return names.get(url);
}

export function mediaTypeOf(url: string): string {
  return /^data:([^;,]*)/.exec(url.slice(0, 200))?.[1] ?? '';
}

/** Of what a base64 data URL holds. */
export function sizeBytesOf(url: string): number {
  const start = url.indexOf(',') + 1;
  return Math.floor(((url.length - start) * 3) / 4) - (url.endsWith('==') ? 2 : url.endsWith('=') ? 1 : 0);
}

export function formatSize(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1000).toFixed(bytes < 1e4 ? 1 : 0)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** The bytes of a data URL; throws where it is none. */
export function bytesOf(url: string): Uint8Array<ArrayBuffer> {
  const comma = url.indexOf(',');
  const base64 = url.slice(0, comma).endsWith(';base64');
  const text = base64 ? atob(url.slice(comma + 1)) : decodeURIComponent(url.slice(comma + 1));
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Whether a file is one of those that `accept` names: `image/*`, `.csv`, `application/pdf`; '' means any. */
export function isAccepted(file: File, accept: string): boolean {
  if (accept === '') return true;
  return accept.split(',').some((wanted) => {
    const kind = wanted.trim();
    if (kind.startsWith('.')) return file.name.toLowerCase().endsWith(kind.toLowerCase());
    return kind.endsWith('/*') ? file.type.startsWith(kind.slice(0, -1)) : file.type === kind;
  });
}
