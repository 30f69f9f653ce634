import { writtenText } from '../json.ts';
import { isObject } from '../schema.ts';

export interface Message {
  readonly role: string;
  readonly content: string;
}

export function messagesOf(value: unknown): readonly Message[] {
  return Array.isArray(value) ? value.filter(isObject).map((message) => ({ role: writtenText(message['role']), content: writtenText(message['content']) })) : [];
}

const speakers: Readonly<Record<string, string>> = { user: 'You', assistant: 'Answer', system: 'Instructions' };

export function ChatMessages({ messages, writing = false }: { readonly messages: readonly Message[]; /** The last one is not whole yet. */ readonly writing?: boolean }) {
  return (
    <ol className="messages">
      {messages.map(({ role, content }, index) => (
        <li key={index} className={`said-by-${role in speakers ? role : 'assistant'}`}>
          <span className="caption">{speakers[role] ?? role}</span>
          <p className={writing && index === messages.length - 1 ? 'being-written' : undefined}>{content}</p>
        </li>
      ))}
    </ol>
  );
}
