import { useEffect, useRef } from 'react';
import { Icon } from './icons.tsx';
import { keysHelp } from './shortcuts.ts';

export function KeysDialog({ onClose }: { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} className="keys" aria-labelledby="keys-title" onClose={onClose} onClick={(event) => event.target === dialog.current && dialog.current?.close()}>
      <div className="row">
        <h2 id="keys-title">Keys</h2>
        <button type="button" className="button plain icon" aria-label="Close" onClick={() => dialog.current?.close()}><Icon name="close" /></button>
      </div>
      <dl>
        {keysHelp.map(({ keys, what }) => (
          <div key={keys} style={{ display: 'contents' }}>
            <dt>{what}</dt>
            <dd><kbd className="keycap">{keys}</kbd></dd>
          </div>
        ))}
      </dl>
    </dialog>
  );
}
