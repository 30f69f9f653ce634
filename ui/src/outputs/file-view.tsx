/** A file in an answer: played where the browser can, and downloaded. */
import { Icon } from '../icons.tsx';
import { downloadUrl } from '../download.ts';
import { formatSize, mediaTypeOf, sizeBytesOf } from '../data-url.ts';
import { writtenText, type JsonValue } from '../json.ts';
import type { ViewProps } from './view.ts';

export function isDataUrl(value: JsonValue, kind = ''): boolean {
  return typeof value === 'string' && value.startsWith(`data:${kind}`) && value.includes(',');
}

export function ImageView({ value, title }: ViewProps) {
  return <img className="image-output" src={writtenText(value)} alt={title ?? 'Output'} />;
}

export function AudioView({ value, title }: ViewProps) {
  return (
    <div className="media">
      <audio controls src={writtenText(value)} aria-label={title ?? 'Output'} />
      <FileView value={value} schema={{}} input={undefined} title={title} />
    </div>
  );
}

export function VideoView({ value, title }: ViewProps) {
  return (
    <div className="media">
      <video controls playsInline src={writtenText(value)} aria-label={title ?? 'Output'} />
      <FileView value={value} schema={{}} input={undefined} title={title} />
    </div>
  );
}

export function FileView({ value, title }: ViewProps) {
  const url = writtenText(value);
  const type = mediaTypeOf(url);
  const name = `${(title ?? 'output').toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '-')}.${extensionOf(type)}`;
  return (
    <div className="file-output">
      <Icon name="file" />
      <span className="file-name">{name}</span>
      <span className="caption">{type === '' ? '' : `${type} · `}{formatSize(sizeBytesOf(url))}</span>
      <button type="button" className="button small" onClick={() => downloadUrl(name, url)}><Icon name="download" size={14} />Download</button>
    </div>
  );
}

const extensions: Readonly<Record<string, string>> = { 'text/plain': 'txt', 'application/octet-stream': 'bin', 'audio/mpeg': 'mp3', 'audio/x-wav': 'wav', 'image/jpeg': 'jpg', 'image/svg+xml': 'svg', 'application/gzip': 'gz', 'video/quicktime': 'mov' };

function extensionOf(type: string): string {
  return extensions[type] ?? (/^[\w-]+\/([a-z0-9]+)$/.exec(type)?.[1] || 'bin');
}
