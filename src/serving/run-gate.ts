/**
 * A process that ends while one of its threads is inside a native run is aborted. So a thread says, in memory that it
 * shares with the server, when it may be inside one; a server that ends lets no further run begin and waits for that one,
 * but not for ever.
 */

/** How long the end of the server waits for runs that do not end. */
const exitTimeoutMs = 10_000;

/** Indices into the shared memory. */
const inside = 0;
const closed = 1;

/** Both ends make one of the same memory. */
export class RunGate {
  readonly memory: SharedArrayBuffer;
  readonly #state: Int32Array;

  constructor(memory = new SharedArrayBuffer(8)) {
    this.memory = memory;
    this.#state = new Int32Array(memory);
  }

  /** The thread's end: whether work may begin. If so, {@link leave} follows. */
  enter(): boolean {
    Atomics.add(this.#state, inside, 1);
    if (Atomics.load(this.#state, closed) === 0) return true;
    this.leave();
    return false;
  }

  leave(): void {
    Atomics.sub(this.#state, inside, 1);
    Atomics.notify(this.#state, inside);
  }

  /** The server's end: nothing begins any more. */
  close(): void {
    Atomics.store(this.#state, closed, 1);
  }

  /** Blocks until nothing is inside, at most until `deadlineMs` of `performance.now()`. Whether nothing is. */
  waitUntilEmpty(deadlineMs: number): boolean {
    for (let count = Atomics.load(this.#state, inside); count > 0; count = Atomics.load(this.#state, inside)) {
      const leftMs = deadlineMs - performance.now();
      if (leftMs <= 0 || Atomics.wait(this.#state, inside, count, leftMs) === 'timed-out') return false;
    }
    return true;
  }
}

const gates = new Set<RunGate>();

/** Makes the end of this process wait for what is inside the gate. Returns the function that takes it back. */
export function guardExit(gate: RunGate): () => void {
  if (gates.size === 0) process.on('exit', closeAll);
  gates.add(gate);
  return () => {
    gates.delete(gate);
    if (gates.size === 0) process.off('exit', closeAll);
  };
}

function closeAll(): void {
  for (const gate of gates) gate.close();
  const deadlineMs = performance.now() + exitTimeoutMs;
  const empty = [...gates].every((gate) => gate.waitUntilEmpty(deadlineMs));
  // Node would wait for ever for the thread of a run that never ends.
  if (!empty) process.kill(process.pid, 'SIGKILL');
}
