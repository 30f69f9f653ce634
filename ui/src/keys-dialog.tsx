import { useEffect, useRef, useState } from 'react';
import { Icon } from './icons.tsx';
import { keysHelp, lettersAreOn, switchLetters } from './shortcuts.ts';

export function KeysDialog({ onClose }: { readonly onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [letters, setLetters] = useState(lettersAreOn);
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
      <label className="row keys-letters">
        <input className="switch" type="checkbox" role="switch" checked={letters} onChange={(event) => {
          setLetters(event.target.checked);
          switchLetters(event.target.checked);
        }} />
        Keys without ⌘ or Ctrl
      </label>
    </dialog>
  );
}
