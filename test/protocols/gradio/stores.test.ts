/** Where events and files of Gradio's clients are kept: limits, readers that come and go, and nothing outside of the folder. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { defaultEventLimits, MemoryEventStore, type EventLimits, type EventMessage } from '../../../src/protocols/gradio/event-store.ts';
import { defaultFileLimits, DirectoryFileStore, plainFileName } from '../../../src/protocols/gradio/file-store.ts';
import { fuzzRuns, mutate, random } from '../../fixtures/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'modelport-gradio-stores-'));
afterAll(() => rmSync(folder, { recursive: true }));

function storeOf(limits: Partial<EventLimits> = {}): { store: MemoryEventStore; cancelled: string[]; begin: (id: string, session?: string) => Promise<void> } {
  const store = new MemoryEventStore({ ...defaultEventLimits, ...limits });
  const cancelled: string[] = [];
  const begin = (id: string, session = 's'): Promise<void> =>
    store.begin({
      id,
      session,
      apiName: 'f',
      cancel: () => {
        cancelled.push(id);
        void store.end(id, { kind: 'failed', data: 'cancelled' });
      },
    });
  return { store, cancelled, begin };
}

const message = (data: string): EventMessage => ({ kind: 'progress', data });
const never = new AbortController().signal;

async function readAll(store: MemoryEventStore, session = 's', left: AbortSignal = never): Promise<string[]> {
  const seen: string[] = [];
  for await (const { data } of (await store.read(session, left, { close: false }))!) seen.push(data);
  return seen;
}

describe('events', () => {
  test('of one session are read together, in the order in which they came, and once', async () => {
    const { store, begin } = storeOf();
    await begin('a');
    await begin('b');
    await store.append('a', message('a1'));
    const reading = readAll(store);
    await store.append('b', message('b1'));
    await store.end('a', message('a2'));
    expect(await store.waiting()).toBe(1);
    await store.end('b', message('b2'));
    expect(await reading).toEqual(['a1', 'b1', 'a2', 'b2']);
    expect(await store.read('s', never, { close: false })).toBeUndefined();
    expect([await store.finished('s'), await store.finished('t')]).toEqual([true, false]);
    expect(await store.append('a', message('late'))).toBe(false);
  });

  test('are limited: altogether, of one session, in bytes that wait', async () => {
    const { begin } = storeOf({ mostEvents: 3, mostEventsOfSession: 2 });
    await begin('a');
    await begin('b');
    await expect(begin('c')).rejects.toThrow('the queue of this session is full: 2 jobs');
    await begin('c', 't');
    await expect(begin('d', 'u')).rejects.toThrow('the queue is full: 3 jobs');
    const bytes = storeOf({ mostWaitingBytes: 10 });
    await bytes.begin('a');
    await bytes.store.end('a', message('x'.repeat(10)));
    await expect(bytes.begin('b', 't')).rejects.toThrow('the queue is full');
    await readAll(bytes.store);
    await bytes.begin('b', 't');
  });

  test('that nobody reads are cancelled after a while', async () => {
    const { store, cancelled, begin } = storeOf({ unreadMs: 20 });
    await begin('a');
    await expect.poll(() => cancelled).toEqual(['a']);
    expect(await store.waiting()).toBe(0);
    expect(await store.read('s', never, { close: false })).toBeUndefined();
  });

  test('hold their job back while nobody reads its messages, and let it go when somebody does or the event is cancelled', async () => {
    const { store, begin } = storeOf({ mostMessagesAhead: 2 });
    await begin('a');
    expect(await store.append('a', message('1'))).toBe(true);
    let room = false;
    const held = store.append('a', message('2')).then((more) => ((room = true), more));
    await new Promise((resolve) => setImmediate(resolve));
    expect(room).toBe(false);
    const iterator = (await store.read('s', never, { close: false }))![Symbol.asyncIterator]();
    expect((await iterator.next()).value).toEqual(message('1'));
    expect(await held).toBe(true);
    await begin('b', 't');
    await store.append('b', message('1'));
    const other = store.append('b', message('2'));
    expect(await store.cancel('b', 's')).toBe(false);
    expect(await store.cancel('b', 't')).toBe(true);
    expect(await other).toBe(false);
    expect(await store.cancel('b')).toBe(false);
  });

  test('a reader that leaves cancels; a second one takes over', async () => {
    const { store, cancelled, begin } = storeOf();
    await begin('a');
    const left = new AbortController();
    const first = readAll(store, 's', left.signal);
    const second = readAll(store);
    expect(await first).toEqual([]);
    expect(cancelled).toEqual([]);
    await store.end('a', message('done'));
    expect(await second).toEqual(['done']);
    await begin('b');
    const third = readAll(store, 's', left.signal);
    left.abort();
    await third;
    expect(cancelled).toEqual(['b']);
    expect(await store.waiting()).toBe(0);
  });

  test('`close` is told at the end, and who does not leave is left', async () => {
    const { store, begin } = storeOf({ closingMs: 20 });
    await begin('a');
    await store.end('a', message('done'));
    const seen: string[] = [];
    for await (const { kind } of (await store.read('s', never, { close: true }))!) seen.push(kind);
    expect(seen).toEqual(['progress', 'close']);
    await begin('b');
    expect(await store.waiting('f')).toBe(1);
  });
});

describe('files', () => {
  test('come back by the path that was given, and by no other', async () => {
    const parent = join(folder, 'plain');
    const store = new DirectoryFileStore(parent);
    const path = await store.write(Buffer.from('hello'), '../a b.txt');
    expect(path).toMatch(/^[0-9a-f]{32}\/a b\.txt$/);
    expect(Buffer.from((await store.read(path))!.bytes).toString()).toBe('hello');
    const id = path.slice(0, 32);
    writeFileSync(join(parent, 'secret'), 'secret');
    symlinkSync(join(parent, 'secret'), join(parent, 'gradio/files', id, 'link'));
    mkdirSync(join(parent, 'gradio/files', id, 'folder'));
    for (const other of [`${id}/link`, `${id}/folder`, `${id}/../../secret`, `${id}/..`, `${id}/.`, `../${path}`, `/${path}`, `${id}/a b.txt/`, `${id}/a%20b.txt`, `${id}/a b.txt\0`, id, '', `${id.toUpperCase()}x/a b.txt`]) {
      expect(await store.read(other), other).toBeUndefined();
    }
    // Another process over the same folder.
    expect(await new DirectoryFileStore(parent).read(path)).toBeDefined();
  });

  test('are limited in number and size, and go when they are old', async () => {
    const parent = join(folder, 'limited');
    const store = new DirectoryFileStore(parent, { keptMs: 60_000, mostBytes: 10, mostFiles: 2 });
    const [first] = [await store.write(Buffer.alloc(4), 'a'), await store.write(Buffer.alloc(4), 'b')];
    await expect(store.write(Buffer.alloc(1), 'c')).rejects.toThrow('there is no room for a file of 1 bytes');
    utimesSync(join(parent, 'gradio/files', first!.slice(0, 32)), new Date(0), new Date(0));
    const later = new DirectoryFileStore(parent, { ...defaultFileLimits, mostBytes: 10 });
    await later.write(Buffer.alloc(4), 'd');
    expect(await later.read(first!)).toBeUndefined();
    await expect(later.write(Buffer.alloc(4), 'e')).rejects.toThrow('2 files with 8 bytes are kept');
    expect(readdirSync(join(parent, 'gradio/files'))).toHaveLength(2);
  });

  test('fuzz: any name is a name, and any path stays inside', { timeout: 600_000 }, async () => {
    const source = random(3);
    const store = new DirectoryFileStore(join(folder, 'fuzz'));
    const path = await store.write(Buffer.from('x'), 'file.txt');
    const decoder = new TextDecoder();
    for (let run = 0; run < fuzzRuns; run++) {
      const name = decoder.decode(mutate(Buffer.from(source.pick(['../../etc/passwd', 'a.tar.gz', '..', 'grün 🎉.png', 'x'.repeat(400), `${'é'.repeat(200)}.jpeg`, 'con\0.txt'])), source));
      const plain = plainFileName(name);
      expect(plain).toMatch(/^[^./\\\0][^/\\\0]*$/);
      expect(Buffer.byteLength(plain)).toBeLessThanOrEqual(255);
      const asked = decoder.decode(mutate(Buffer.from(path), source));
      const found = await store.read(asked);
      if (found !== undefined) expect(asked).toBe(path);
    }
  });
});
