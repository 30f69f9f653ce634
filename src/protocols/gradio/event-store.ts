/**
 * Events (jobs) of sessions, and the messages about them until their reader takes them. Behind several replicas an implementation
 * over a store that they share takes the place of the one here: a job runs where it was taken in, its messages are read, and it is
 * cancelled, wherever the client's next request arrives.
 */
import { ModelportError } from '../../errors.ts';

export interface EventMessage {
  readonly kind: 'estimation' | 'starts' | 'progress' | 'generating' | 'completed' | 'failed' | 'close';
  /** As it goes over the wire: JSON on one line. */
  readonly data: string;
}

export interface EventFacts {
  readonly id: string;
  readonly session: string;
  /** What it counts for in {@link EventStore.waiting}. */
  readonly apiName: string;
  /** Called once when the job is not wanted any more; it ends the event. */
  readonly cancel: () => void;
}

export interface EventStore {
  /** Takes an event in. Waits while a reader of the session that was told `close` has not left. Throws `QUEUE_FULL`. */
  begin(event: EventFacts): Promise<void>;
  /** Resolves when there is room for another message; false: the event has ended, nobody will read it. */
  append(id: string, message: EventMessage): Promise<boolean>;
  /** With its last message. Nothing where it has ended. */
  end(id: string, message: EventMessage): Promise<void>;
  /** False where there is no such event (of that session, where one is named) under way. */
  cancel(id: string, session?: string): Promise<boolean>;
  /**
   * Messages of all events of a session as they come, until none is under way; then `close` if the reader wants it. A reader
   * that leaves earlier cancels them. A second reader takes the place of the first. Undefined: there is nothing to read.
   */
  read(session: string, left: AbortSignal, options: { readonly close: boolean }): Promise<AsyncIterable<EventMessage> | undefined>;
  /** Whether a session was read to its end a short while ago. */
  finished(session: string): Promise<boolean>;
  /** Cancels what a session waits for. */
  drop(session: string): Promise<void>;
  /** How many events of a function are under way; of all where none is named. */
  waiting(apiName?: string): Promise<number>;
}

export interface EventLimits {
  /** Under way at a time, altogether and of one session. */
  readonly mostEvents: number;
  readonly mostEventsOfSession: number;
  /** That wait to be read. */
  readonly mostSessions: number;
  readonly mostWaitingBytes: number;
  /** Of one session, before its jobs are held back. */
  readonly mostMessagesAhead: number;
  /** How long messages wait for their first reader. */
  readonly unreadMs: number;
  /** How long a reader that was told to close has to do so. */
  readonly closingMs: number;
}

export const defaultEventLimits: EventLimits = { mostEvents: 1000, mostEventsOfSession: 200, mostSessions: 5000, mostWaitingBytes: 256_000_000, mostMessagesAhead: 256, unreadMs: 60_000, closingMs: 500 };

interface Entry {
  readonly facts: EventFacts;
  readonly session: Session;
}

interface Session {
  readonly name: string;
  /** Under way. */
  readonly events: Map<string, Entry>;
  messages: EventMessage[];
  bytes: number;
  reader: AbortController | undefined;
  wake: (() => void) | undefined;
  room: (() => void)[];
  unread: NodeJS.Timeout | undefined;
  /** Set from `close` until the reader has left. */
  closing: Promise<void> | undefined;
}

/** In this process's memory. */
export class MemoryEventStore implements EventStore {
  readonly #limits: EventLimits;
  readonly #events = new Map<string, Entry>();
  readonly #sessions = new Map<string, Session>();
  /** Oldest first, bounded. */
  readonly #finished = new Map<string, number>();
  #bytes = 0;

  constructor(limits: EventLimits = defaultEventLimits) {
    this.#limits = limits;
  }

  async begin(facts: EventFacts): Promise<void> {
    const { mostEvents, mostEventsOfSession, mostSessions, mostWaitingBytes, unreadMs } = this.#limits;
    for (let closing = this.#sessions.get(facts.session)?.closing; closing !== undefined; closing = this.#sessions.get(facts.session)?.closing) await closing;
    let session = this.#sessions.get(facts.session);
    if (this.#events.size >= mostEvents || this.#bytes >= mostWaitingBytes || (session === undefined && this.#sessions.size >= mostSessions)) {
      throw new ModelportError('QUEUE_FULL', `the queue is full: ${this.#events.size} jobs are under way. Try again later`, { retryAfterSeconds: 1 });
    }
    if ((session?.events.size ?? 0) >= mostEventsOfSession) throw new ModelportError('QUEUE_FULL', `the queue of this session is full: ${mostEventsOfSession} jobs are under way. Wait for some of them`, { retryAfterSeconds: 1 });
    if (session === undefined) {
      session = { name: facts.session, events: new Map(), messages: [], bytes: 0, reader: undefined, wake: undefined, room: [], unread: undefined, closing: undefined };
      const created = session;
      session.unread = setTimeout(() => this.#remove(created), unreadMs);
      session.unread.unref();
      this.#sessions.set(facts.session, session);
    }
    const entry = { facts, session };
    session.events.set(facts.id, entry);
    this.#events.set(facts.id, entry);
  }

  async append(id: string, message: EventMessage): Promise<boolean> {
    const session = this.#events.get(id)?.session;
    if (session === undefined) return false;
    this.#add(session, message);
    if (session.messages.length >= this.#limits.mostMessagesAhead) await new Promise<void>((resolve) => session.room.push(resolve));
    return this.#events.has(id);
  }

  async end(id: string, message: EventMessage): Promise<void> {
    const entry = this.#events.get(id);
    if (entry === undefined) return;
    this.#events.delete(id);
    entry.session.events.delete(id);
    this.#add(entry.session, message);
  }

  async cancel(id: string, session?: string): Promise<boolean> {
    const entry = this.#events.get(id);
    if (entry === undefined || (session !== undefined && entry.session.name !== session)) return false;
    entry.facts.cancel();
    releaseAll(entry.session);
    return true;
  }

  async read(name: string, left: AbortSignal, { close }: { readonly close: boolean }): Promise<AsyncIterable<EventMessage> | undefined> {
    const session = this.#sessions.get(name);
    if (session === undefined || session.closing !== undefined) return undefined;
    session.reader?.abort();
    clearTimeout(session.unread);
    const reader = new AbortController();
    session.reader = reader;
    session.wake?.();
    const wake = (): void => session.wake?.();
    left.addEventListener('abort', wake, { once: true });
    return this.#messages(session, reader, left, close);
  }

  async *#messages(session: Session, reader: AbortController, left: AbortSignal, close: boolean): AsyncGenerator<EventMessage> {
    let finished = false;
    try {
      while (!left.aborted && !reader.signal.aborted) {
        if (session.messages.length > 0) {
          yield* this.#take(session);
        } else if (session.events.size === 0) {
          finished = true;
          if (close) yield* this.#close(session, left);
          return;
        } else {
          await new Promise<void>((resolve) => (session.wake = resolve));
        }
      }
    } finally {
      if (session.reader === reader) {
        if (finished) this.#finish(session);
        this.#remove(session);
      }
    }
  }

  *#take(session: Session): Generator<EventMessage> {
    const { messages } = session;
    session.messages = [];
    this.#bytes -= session.bytes;
    session.bytes = 0;
    releaseAll(session);
    yield* messages;
  }

  /**
   * A client that is told to close does so and opens another stream for its next event. An event that came in between would be
   * read by nobody: `begin` waits until the client has left.
   */
  async *#close(session: Session, left: AbortSignal): AsyncGenerator<EventMessage> {
    let leave: () => void = () => {};
    session.closing = new Promise((resolve) => (leave = resolve));
    const timer = setTimeout(() => session.wake?.(), this.#limits.closingMs);
    try {
      yield { kind: 'close', data: '{"msg":"close_stream","event_id":null}' };
      if (!left.aborted) await new Promise<void>((resolve) => (session.wake = resolve));
    } finally {
      clearTimeout(timer);
      this.#sessions.delete(session.name);
      leave();
    }
  }

  async finished(session: string): Promise<boolean> {
    const until = this.#finished.get(session);
    return until !== undefined && until > performance.now();
  }

  async drop(name: string): Promise<void> {
    const session = this.#sessions.get(name);
    if (session !== undefined && session.closing === undefined) this.#remove(session);
  }

  async waiting(apiName?: string): Promise<number> {
    if (apiName === undefined) return this.#events.size;
    let count = 0;
    for (const { facts } of this.#events.values()) if (facts.apiName === apiName) count++;
    return count;
  }

  #add(session: Session, message: EventMessage): void {
    session.messages.push(message);
    session.bytes += message.data.length;
    this.#bytes += message.data.length;
    session.wake?.();
  }

  #finish({ name }: Session): void {
    this.#finished.delete(name);
    this.#finished.set(name, performance.now() + this.#limits.unreadMs);
    for (const oldest of this.#finished.keys()) {
      if (this.#finished.size <= this.#limits.mostSessions) break;
      this.#finished.delete(oldest);
    }
  }

  /** With all that is under way in it and what was not read. */
  #remove(session: Session): void {
    clearTimeout(session.unread);
    for (const { facts } of session.events.values()) facts.cancel();
    for (const id of session.events.keys()) this.#events.delete(id);
    session.events.clear();
    this.#bytes -= session.bytes;
    session.bytes = 0;
    session.messages = [];
    if (this.#sessions.get(session.name) === session) this.#sessions.delete(session.name);
    releaseAll(session);
    session.reader?.abort();
    session.wake?.();
  }
}

function releaseAll(session: Session): void {
  for (const resolve of session.room.splice(0)) resolve();
}
