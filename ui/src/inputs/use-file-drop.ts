import { useEffect, useEffectEvent, useState, type DragEventHandler } from 'react';

export interface FileDrop {
  /** Whether something is held above the place. */
  readonly over: boolean;
  /** For the element that files are dropped on. */
  readonly target: { readonly onDragOver: DragEventHandler; readonly onDragLeave: DragEventHandler; readonly onDrop: DragEventHandler };
}

/** A place that files are dropped on. `take` gets all that were dropped and says itself which it wants. */
export function useFileDrop(take: (files: readonly File[]) => void): FileDrop {
  const [over, setOver] = useState(false);
  return {
    over,
    target: {
      onDragOver: (event) => {
        event.preventDefault();
        setOver(true);
      },
      // Also sent for each element inside that is passed.
      onDragLeave: (event) => {
        if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget))) setOver(false);
      },
      onDrop: (event) => {
        event.preventDefault();
        setOver(false);
        if (event.dataTransfer.files.length > 0) take([...event.dataTransfer.files]);
      },
    },
  };
}

/** Files pasted anywhere on the page; the first field that takes some has them. `take` says whether it did. */
export function usePastedFiles(take: (files: readonly File[]) => boolean): void {
  const takePasted = useEffectEvent((event: ClipboardEvent) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0 && !event.defaultPrevented && take(files)) event.preventDefault();
  });
  useEffect(() => {
    const paste = (event: ClipboardEvent): void => takePasted(event);
    document.addEventListener('paste', paste);
    return () => document.removeEventListener('paste', paste);
  }, []);
}
