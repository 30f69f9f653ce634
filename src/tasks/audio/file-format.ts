/** What the first bytes say that a recording is. */
export type RecordingFormat = 'WAVE' | 'MP3' | 'FLAC' | 'Ogg' | 'WebM';

/** A format that is read; what a file is else, in words; undefined where nobody knows. */
export function formatOf(bytes: Uint8Array): { readonly read: RecordingFormat } | { readonly other: string } | undefined {
  const start = textAt(bytes, 0, 16);
  if (/^RIFF[^]{4}WAVE/.test(start)) return { read: 'WAVE' };
  if (start.startsWith('ID3') || (bytes[0] === 0xff && (bytes[1]! & 0xe6) === 0xe2)) return { read: 'MP3' };
  if (start.startsWith('OggS')) return { read: 'Ogg' };
  if (start.startsWith('fLaC')) return { read: 'FLAC' };
  if (start.startsWith('\x1a\x45\xdf\xa3')) return { read: 'WebM' };
  const other = otherFormat(bytes, start);
  return other === undefined ? undefined : { other };
}

function otherFormat(bytes: Uint8Array, start: string): string | undefined {
  if (/^(RF64|BW64)/.test(start)) return 'a WAVE file of more than 4 GB';
  if (bytes[0] === 0xff && (bytes[1]! & 0xf6) === 0xf0) return 'an AAC file';
  if (/^[^]{4}ftyp/.test(start)) return 'an MP4 file (M4A)';
  if (/^FORM[^]{4}AIF[FC]/.test(start)) return 'an AIFF file';
  if (start.startsWith('.snd')) return 'an AU file';
  if (start.startsWith('#!AMR')) return 'an AMR file';
  if (start.startsWith('caff')) return 'a Core Audio file';
  if (start.startsWith('\x89PNG') || start.startsWith('\xff\xd8\xff')) return 'a picture';
  return undefined;
}

export function textAt(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, Math.max(0, Math.min(length, bytes.length - start))).toString('latin1');
}

export function firstBytes(bytes: Uint8Array): string {
  return [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}
