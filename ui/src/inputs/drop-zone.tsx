import { useRef, useState, type ReactNode } from 'react';
import { Icon, type IconName } from '../icons.tsx';
import { FileChooser } from './file-chooser.tsx';
import { isAccepted } from './read-files.ts';
import { useFileDrop, usePastedFiles } from './use-file-drop.ts';

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
  readonly onFiles: (files: readonly File[]) => void;
  /** Beside the chooser. */
  readonly children?: ReactNode;
}

/** A place to drop files on, which is also a button that chooses them. */
export function DropZone({ id, title, icon, hint, accept, many, invalid, describedBy, onFiles, children }: DropZoneProps) {
  const chooser = useRef<HTMLInputElement>(null);
  const [refused, setRefused] = useState<string>();

  const take = (given: readonly File[]): boolean => {
    const files = given.filter((file) => isAccepted(file, accept));
    const other = given.find((file) => !files.includes(file));
    setRefused(other === undefined ? undefined : `${other.name} is left out: ${accept.replace('/*', '').replaceAll(',', ' or ')} is wanted.`);
    if (files.length > 0) onFiles(many ? files : files.slice(0, 1));
    return files.length > 0;
  };
  const { over, target } = useFileDrop(take);
  usePastedFiles(take);

  return (
    <div className="drop-zone" data-over={over} data-invalid={invalid} {...target}>
      <button id={id} type="button" className="drop-button" aria-describedby={describedBy || undefined} onClick={() => chooser.current?.click()}>
        <Icon name={icon} size={20} />
        <span>{hint}</span>
      </button>
      {children}
      <FileChooser ref={chooser} label={`${title}: file`} accept={accept} many={many} onFiles={take} />
      {refused !== undefined && <p className="field-about" role="status">{refused}</p>}
    </div>
  );
}
