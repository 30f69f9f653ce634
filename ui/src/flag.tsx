/** Keeps an answer on the server, with a word about what is wrong with it; where this page may. */
import { useEffect, useId, useState } from 'react';
import { fetchFlagCount, fetchFlags, postFlag, type Answer } from './api.ts';
import { download, stampedName } from './download.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { Icon } from './icons.tsx';
import { formatJson } from './json.ts';
import { useToast } from './toast.tsx';

export interface FlagProps {
  readonly endpoint: Endpoint;
  readonly answered: unknown;
  readonly answer: Answer;
}

export function Flag({ endpoint, answered, answer }: FlagProps) {
  const { model, version } = endpoint;
  const [count, setCount] = useState<number>();
  const [open, setOpen] = useState(false);
  const [note, setNote] = useState('');
  const id = useId();
  const say = useToast();

  useEffect(() => {
    const controller = new AbortController();
    void fetchFlagCount(model, controller.signal).then((found) => !controller.signal.aborted && setCount(found));
    return () => controller.abort();
  }, [model]);

  if (count === undefined) return null;
  const close = (): void => document.querySelector<HTMLElement>(`[id="${id}"]`)?.hidePopover();
  const send = async (): Promise<void> => {
    try {
      setCount(await postFlag(model, version, { note: note.trim(), input: formatJson(answered ?? null), output: answer.text }));
      setNote('');
      close();
      say('Flagged. The server keeps it.');
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  };
  const save = async (): Promise<void> => {
    try {
      download(stampedName(model, version, 'flags.jsonl', new Date()), await fetchFlags(model), 'application/x-ndjson');
    } catch (error) {
      say(error instanceof Error ? error.message : String(error));
    }
  };
  return (
    <span className="flag">
      <button type="button" className="button plain small" popoverTarget={id}><Icon name="flag" size={14} />Flag</button>
      <div id={id} popover="auto" className="flag-card" role="dialog" aria-label="Flag this answer" onToggle={(event) => setOpen(event.newState === 'open')}>
        {open && <form
          onSubmit={(event) => {
            event.preventDefault();
            void send();
          }}
        >
          <label htmlFor={`${id}-note`}>What is wrong, or worth a look?</label>
          <textarea id={`${id}-note`} className="entry" rows={2} maxLength={2000} placeholder="Optional" autoFocus value={note} onChange={(event) => setNote(event.target.value)} />
          <p className="caption">Input and answer are kept in a file on the server.</p>
          <div className="row">
            <button type="submit" className="button accent">Flag it</button>
            {count > 0 && <button type="button" className="button plain small" onClick={() => void save()}><Icon name="download" size={14} />{count} flagged</button>}
          </div>
        </form>}
      </div>
    </span>
  );
}
