import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { languages, type RequestFacts, type Snippet } from './code.ts';
import { download } from './download.ts';
import { Icon } from './icons.tsx';
import { useCopy } from './toast.tsx';

export interface CodeDrawerProps {
  /** Undefined while the form cannot be sent. */
  readonly request: RequestFacts | undefined;
  readonly onClose: () => void;
}

const captions: Readonly<Record<string, string>> = { gradio: 'What Run sends, by Gradio’s protocol: npm install @gradio/client.' };

const languageName = 'modelport-language';

/** The request that the form would send now. Stays open beside the form and follows it. */
export function CodeDrawer({ request, onClose }: CodeDrawerProps) {
  const [chosen, setChosen] = useState(() => localStorage.getItem(languageName) ?? 'curl');
  const copy = useCopy();
  const [last, setLast] = useState(request);
  const tabs = useRef<HTMLDivElement>(null);
  if (request !== undefined && request !== last) setLast(request);
  const offered = languages.filter(({ offers }) => last === undefined || (offers?.(last) ?? true));
  const language = offered.find(({ id }) => id === chosen) ?? offered[0]!;
  const snippet: Snippet | undefined = last === undefined ? undefined : language.write(last);

  // The focus comes in when the drawer opens, and goes back to where it was.
  useEffect(() => {
    const before = document.activeElement;
    tabs.current?.querySelector<HTMLElement>('[aria-selected="true"]')?.focus({ preventScroll: true });
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);

  const choose = (id: string): void => {
    setChosen(id);
    localStorage.setItem(languageName, id);
  };
  const press = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0) return;
    const next = offered[(offered.indexOf(language) + step + offered.length) % offered.length]!;
    choose(next.id);
    tabs.current?.querySelector<HTMLElement>(`#tab-${next.id}`)?.focus();
  };

  return (
    <aside className="code-drawer" aria-label="Use it from code">
      <div className="row">
        <h2>Use it from code</h2>
        <button type="button" className="button plain icon" aria-label="Close" onClick={onClose}><Icon name="close" /></button>
      </div>
      <div className="tabs" role="tablist" aria-label="Language" ref={tabs} onKeyDown={press}>
        {offered.map(({ id, title }) => <button key={id} id={`tab-${id}`} type="button" role="tab" aria-selected={id === language.id} aria-controls="code-panel" tabIndex={id === language.id ? 0 : -1} onClick={() => choose(id)}>{title}</button>)}
      </div>
      <p className="caption">{request === undefined ? 'The form has a mistake; this is the last request that could be sent.' : captions[language.id] ?? 'Exactly what Run sends. It follows the form.'}</p>
      <pre className="code-text" id="code-panel" role="tabpanel" aria-labelledby={`tab-${language.id}`} tabIndex={0} data-testid="code"><code>{snippet === undefined ? 'Fill in the form first.' : highlight(snippet.shown)}</code></pre>
      <div className="row">
        <button type="button" className="button" disabled={snippet === undefined} onClick={() => void copy(snippet!.full, 'Code')}><Icon name="copy" size={14} />Copy</button>
        {snippet?.bodyFile !== undefined && <button type="button" className="button" onClick={() => download(snippet.bodyFile!, last!.body)}><Icon name="download" size={14} />{snippet.bodyFile}</button>}
        {snippet !== undefined && snippet.full !== snippet.shown && <span className="caption">Copy takes the image in full.</span>}
      </div>
    </aside>
  );
}

const tokenPattern = /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\]|\\.)*')|\b(import|from|const|await|async|for|of|in|if|throw|new|curl|print|True|False|None)\b/g;

/** Strings and words of the language; nothing more is needed in twenty lines. */
function highlight(text: string) {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(tokenPattern)) {
    parts.push(text.slice(at, match.index), <span key={match.index} className={match[1] === undefined ? 'syntax-word' : 'syntax-string'}>{match[0]}</span>);
    at = match.index + match[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}
