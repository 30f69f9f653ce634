import { useState, type ReactNode } from 'react';
import { Icon, type IconName } from './icons.tsx';

export interface MessageProps {
  readonly icon: IconName;
  readonly tone?: 'quiet' | 'wait' | 'bad';
  readonly title: string;
  readonly children: ReactNode;
}

/** A state that fills the page, with the next thing to do. */
export function Message({ icon, tone = 'quiet', title, children }: MessageProps) {
  return (
    <div className="message">
      <span className={`mark ${tone}`}><Icon name={icon} size={28} /></span>
      <h1>{title}</h1>
      {children}
    </div>
  );
}

export function KeyRequest({ wrong, onKey }: { readonly wrong: boolean; readonly onKey: (key: string) => void }) {
  const [key, setKey] = useState('');
  return (
    <Message icon="key" title="This server needs an API key">
      <p>{wrong ? 'The key was not accepted. Check it with whoever runs this server.' : 'Ask whoever runs this server for one. It is kept until this tab is closed.'}</p>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (key.trim() !== '') onKey(key.trim());
        }}
      >
        <input className="entry" type="password" autoComplete="off" aria-label="API key" aria-invalid={wrong} placeholder="API key" autoFocus value={key} onChange={(event) => setKey(event.target.value)} />
        <button className="button primary" type="submit">Continue</button>
      </form>
    </Message>
  );
}
