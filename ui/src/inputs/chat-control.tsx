/** A conversation: what was said, and what is said next. The value is the list of messages, the person's last one at its end. */
import { useEffect, useRef, type KeyboardEvent } from 'react';
import { Icon } from '../icons.tsx';
import { writtenText } from '../json.ts';
import { ChatMessages, messagesOf, type Message } from '../outputs/chat-messages.tsx';
import type { ControlProps } from './field-form.tsx';

export function ChatControl({ id, value, invalid, describedBy, reply, onChange }: ControlProps<'chat'>) {
  const messages = messagesOf(value);
  const last = messages.at(-1);
  // The message that is being written is the last one of the value, so that what is seen is what is sent.
  const writing = last?.role === 'user' && reply === undefined;
  const said = writing ? messages.slice(0, -1) : messages;
  const shown: readonly Message[] = reply === undefined ? said : [...said, { role: 'assistant', content: reply }];
  const end = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const box = end.current?.parentElement;
    // Whoever reads further up is left there.
    if (box !== null && box !== undefined && box.scrollHeight - box.scrollTop - box.clientHeight < 160) box.scrollTop = box.scrollHeight;
  });

  const write = (content: string): void => onChange(content === '' ? (said.length === 0 ? undefined : said) : [...said, { role: 'user', content }]);
  const press = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    event.currentTarget.form?.requestSubmit();
  };
  return (
    <div className="chat" data-invalid={invalid}>
      <div className="chat-said" tabIndex={0} role="log" aria-label="Conversation">
        {shown.length === 0 ? <p className="caption">Nothing was said yet.</p> : <ChatMessages messages={shown} writing={reply !== undefined} />}
        <div ref={end} />
      </div>
      <div className="chat-next">
        <textarea id={id} className="entry" rows={1} placeholder="Write a message" aria-label="Your message" aria-invalid={invalid} aria-describedby={describedBy || undefined} value={writing ? writtenText(last.content) : ''} onChange={(event) => write(event.target.value)} onKeyDown={press} />
        {/* The form takes the reset as: stop what is being written. */}
        {reply === undefined
          ? <button type="submit" className="button primary icon" aria-label="Send" title="Send"><Icon name="send" /></button>
          : <button type="reset" className="button icon" aria-label="Stop" title="Stop"><Icon name="stop" size={14} /></button>}
        {said.length > 0 && <button type="button" className="button plain icon" aria-label="Begin anew" title="Begin anew" onClick={() => onChange(undefined)}><Icon name="trash" /></button>}
      </div>
    </div>
  );
}
