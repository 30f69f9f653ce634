import type { Ref } from 'react';

export interface FileChooserProps {
  readonly ref: Ref<HTMLInputElement>;
  /** What the input is called: a button beside it opens it. */
  readonly label: string;
  readonly accept: string;
  readonly many?: boolean;
  readonly onFiles: (files: readonly File[]) => void;
}

/** The browser's own dialog for files. Choosing the same file again is told again. */
export function FileChooser({ ref, label, accept, many = false, onFiles }: FileChooserProps) {
  return (
    <input
      ref={ref}
      className="unseen"
      type="file"
      accept={accept}
      multiple={many}
      tabIndex={-1}
      aria-label={label}
      onChange={(event) => {
        const files = [...(event.target.files ?? [])];
        event.target.value = '';
        if (files.length > 0) onFiles(files);
      }}
    />
  );
}
