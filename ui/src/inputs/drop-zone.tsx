import { useEffect, useEffectEvent, useRef, useState, type ReactNode } from 'react';
import { Icon, type IconName } from '../icons.tsx';
import { isAccepted } from './read-files.ts';

export interface DropZoneProps {
  readonly id: string;
  /** The field's title, for the chooser. */
  readonly title: string;
  readonly icon: IconName;
  /** `Drop files, or choose them`. */
  readonly hint: string;
  /** As of `<input type=file>`; '' takes anything. */
  readonly accept: string;
  readonly many: boolean;
  readonly invalid: boolean;
  readonly describedBy: string;
  /** Takes files that are pasted anywhere on the page. */
  readonly pasted?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
  /** Beside the chooser. */
  readonly children?: ReactNode;
}

/** A place to drop files on, which is also a button that chooses them. */
export function DropZone({ id, title, icon, hint, accept, many, invalid, describedBy, pasted = true, onFiles, children }: DropZoneProps) {
  const chooser = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const [refused, setRefused] = useState<string>();

  const take = (given: readonly File[]): boolean => {
    const files = given.filter((file) => isAccepted(file, accept));
    const other = given.find((file) => !files.includes(file));
    setRefused(other === undefined ? undefined : `${other.name} is left out: ${accept.replace('/*', '').replaceAll(',', ' or ')} is wanted.`);
    if (files.length > 0) onFiles(many ? files : files.slice(0, 1));
    return files.length > 0;
  };
  const takePasted = useEffectEvent((event: ClipboardEvent) => {
    if (pasted && !event.defaultPrevented && take([...(event.clipboardData?.files ?? [])])) event.preventDefault();
  });
  useEffect(() => {
    const paste = (event: ClipboardEvent): void => takePasted(event);
    document.addEventListener('paste', paste);
    return () => document.removeEventListener('paste', paste);
  }, []);

  return (
    <div
      className="drop-zone"
      data-over={over}
      data-invalid={invalid}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take([...event.dataTransfer.files]);
      }}
    >
      <button id={id} type="button" className="drop-button" aria-describedby={describedBy || undefined} onClick={() => chooser.current?.click()}>
        <Icon name={icon} size={20} />
        <span>{hint}</span>
      </button>
      {children}
      <input ref={chooser} className="unseen" type="file" accept={accept} multiple={many} tabIndex={-1} aria-label={`${title}: file`} onChange={(event) => {
        take([...(event.target.files ?? [])]);
        event.target.value = '';
      }} />
      {refused !== undefined && <p className="field-about" role="status">{refused}</p>}
    </div>
  );
}
