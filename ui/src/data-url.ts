/** Files as data URLs. Pure. */
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
