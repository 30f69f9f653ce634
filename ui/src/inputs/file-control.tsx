/** Any file, or several. The value is a data URL, or a list of them. */
import { formatSize, mediaTypeOf, sizeBytesOf } from '../data-url.ts';
import { Icon } from '../icons.tsx';
import { DropZone } from './drop-zone.tsx';
import type { ControlProps } from './field-form.tsx';
import { nameOf, readAsDataUrl } from './read-files.ts';

export function FileControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'file'>) {
  const files = (field.many ? (Array.isArray(value) ? value : []) : [value]).filter((item): item is string => typeof item === 'string' && item !== '');
  const pictures = field.accept.startsWith('image/');
  const add = async (given: readonly File[]): Promise<void> => {
    const urls = await Promise.all(given.map(readAsDataUrl));
    onChange(field.many ? [...files, ...urls].slice(0, field.most) : urls[0]);
  };
  const remove = (index: number): void => {
    const left = files.filter((_, each) => each !== index);
    onChange(field.many && left.length > 0 ? left : undefined);
  };
  return (
    <div className="file-field">
      {(field.many || files.length === 0) && (
        <DropZone id={id} title={field.title} icon={pictures ? 'image' : 'file'} hint={field.many ? 'Drop or paste files, or choose them' : 'Drop or paste a file, or choose one'} accept={field.accept} many={field.many} invalid={invalid} describedBy={describedBy} onFiles={(given) => void add(given)} />
      )}
      {files.length > 0 && (
        <ul className="file-list" aria-label={field.title}>
          {files.map((url, index) => (
            <li key={`${index}-${url.length}`}>
              {mediaTypeOf(url).startsWith('image/') ? <img src={url} alt="" /> : <Icon name="file" />}
              <span className="file-name">{nameOf(url) ?? typeName(url)}</span>
              <span className="caption">{formatSize(sizeBytesOf(url))}</span>
              <button type="button" className="button plain icon" aria-label={`Remove ${nameOf(url) ?? `file ${index + 1}`}`} onClick={() => remove(index)}><Icon name="close" size={14} /></button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** What a file without a name is called. */
function typeName(url: string): string {
  const type = mediaTypeOf(url);
  return type === '' || type === 'application/octet-stream' ? 'File' : type;
}
