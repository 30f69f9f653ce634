/**
 * Load from one thread. Closed loop: every connection sends again when it is answered. Open loop: requests begin at given moments whether or
 * not earlier ones are answered, and a latency counts from the moment at which its request was meant to begin, so that a server that stalls
 * is charged for those who waited ("coordinated omission" is what tools do that do not).
 */
import { performance } from 'node:perf_hooks';
import { LatencyRecorder } from '../../lib/latency-recorder.ts';
import { generator } from '../../serving/sample-inputs.ts';
import { HttpSocket, type SocketEvents, type SocketTarget } from './http-socket.ts';

export interface LoadSpec {
  readonly target: SocketTarget;
  readonly connections: number;
  /** Of this thread; undefined: closed loop. */
  readonly ratePerSecond: number | undefined;
  readonly arrivals: 'constant' | 'poisson';
  /** Where between two arrivals of constant rate the first one lies, 0 to 1: threads take turns. */
  readonly phase: number;
  readonly seed: number;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly timeoutMs: number;
  /** Waits for the next arrival without sleeping: moments are kept to microseconds, for a whole core. */
  readonly spin: boolean;
}

/** Plain data: it crosses a thread border. */
export interface LoadResult {
  readonly latency: { readonly counts: Uint32Array<ArrayBuffer>; readonly count: number; readonly sumUs: number; readonly maxUs: number };
  /** How late requests were begun, by the generator's own fault. Open loop only. */
  readonly lag: LoadResult['latency'];
  /** By HTTP status; the requests that are measured only. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Requests without an answer, by reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** Answers that came within the measured time. */
  readonly answered: number;
  /** Requests that were meant to begin within it. Open loop only. */
  readonly offered: number;
  /** Began later because every connection was busy. Open loop only. */
  readonly waited: number;
  readonly measuredMs: number;
  /** The share of the time in which the thread was busy, 0 to 1. */
  readonly utilization: number;
}

/** For the live line: what happened since the start. */
export interface LoadProgress {
  readonly answered: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Those under way when the time is over have so long to be answered. */
const graceMs = 2000;

export class LoadGenerator implements SocketEvents {
  readonly #spec: LoadSpec;
  readonly #idle: HttpSocket[] = [];
  readonly #sockets: HttpSocket[] = [];
  readonly #latency = new LatencyRecorder();
  readonly #lag = new LatencyRecorder();
  readonly #statuses = new Map<number, number>();
  readonly #failures = new Map<string, number>();
  /** Open loop: the moments of arrivals for which no connection is free. */
  readonly #waiting: number[] = [];
  #waitingHead = 0;
  readonly #random: () => number;
  #fromMs = 0;
  #untilMs = 0;
  #nextMs = 0;
  #answered = 0;
  #offered = 0;
  #waited = 0;
  #ending = false;
  #utilizationBefore = performance.eventLoopUtilization();
  #utilization = 0;
  #settle: (() => void) | undefined;
  #stopped = false;

  constructor(spec: LoadSpec) {
    this.#spec = spec;
    this.#random = generator(spec.seed);
    for (let index = 0; index < spec.connections; index++) this.#sockets.push(new HttpSocket(spec.target, this));
  }

  async run(): Promise<LoadResult> {
    const { warmupMs, durationMs, timeoutMs, ratePerSecond, phase } = this.#spec;
    const startMs = performance.now();
    this.#fromMs = startMs + warmupMs;
    this.#untilMs = this.#fromMs + durationMs;
    const warm = setTimeout(() => (this.#utilizationBefore = performance.eventLoopUtilization()), warmupMs);
    const sweep = setInterval(() => this.#giveUpSlow(), Math.min(100, timeoutMs));
    if (ratePerSecond === undefined) {
      for (const socket of this.#sockets) this.#begin(socket, performance.now());
    } else {
      this.#idle.push(...this.#sockets);
      this.#nextMs = startMs + (1000 / ratePerSecond) * phase;
      this.#arrive();
    }
    await this.#over();
    const measuredMs = Math.min(performance.now(), this.#untilMs) - this.#fromMs;
    this.#utilization = performance.eventLoopUtilization(this.#utilizationBefore).utilization;
    if (ratePerSecond !== undefined && !this.#stopped) await this.#drained(Math.min(graceMs, timeoutMs));
    clearTimeout(warm);
    clearInterval(sweep);
    this.#countUnanswered();
    for (const socket of this.#sockets) socket.close();
    return {
      latency: plain(this.#latency),
      lag: plain(this.#lag),
      statuses: Object.fromEntries(this.#statuses),
      failures: Object.fromEntries(this.#failures),
      answered: this.#answered,
      offered: this.#offered,
      waited: this.#waited,
      measuredMs: Math.max(0, measuredMs),
      utilization: this.#utilization,
    };
  }

  /** Ends the run now; what was measured until now is its result. */
  stop(): void {
    this.#stopped = true;
    this.#untilMs = Math.min(this.#untilMs, performance.now());
    this.#settle?.();
  }

  progress(): LoadProgress {
    let failed = 0;
    for (const count of this.#failures.values()) failed += count;
    for (const [status, count] of this.#statuses) if (status >= 400) failed += count;
    return { answered: this.#answered, failed, p50Ms: this.#latency.percentileMs(50), p99Ms: this.#latency.percentileMs(99) };
  }

  onAnswer(socket: HttpSocket, status: number): void {
    const now = performance.now();
    if (this.#counts(socket, now)) {
      this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
      this.#latency.recordMs(now - socket.intendedAtMs);
    }
    if (now >= this.#fromMs && now < this.#untilMs) this.#answered++;
    this.#next(socket, now);
  }

  onFailure(socket: HttpSocket, reason: string): void {
    const now = performance.now();
    if (this.#counts(socket, now)) {
      this.#failures.set(reason, (this.#failures.get(reason) ?? 0) + 1);
      this.#latency.recordMs(now - socket.intendedAtMs);
    }
    // A server that refuses connections is not asked a hundred thousand times a second.
    if (reason === 'timeout') this.#next(socket, now);
    else setTimeout(() => this.#next(socket, performance.now()), 10);
  }

  /** Closed loop: what ends within the measured time; open loop: what was meant to begin in it. */
  #counts(socket: HttpSocket, now: number): boolean {
    const moment = this.#spec.ratePerSecond === undefined ? now : socket.intendedAtMs;
    return moment >= this.#fromMs && moment < this.#untilMs;
  }

  #next(socket: HttpSocket, now: number): void {
    if (this.#spec.ratePerSecond === undefined) {
      if (!this.#ending) this.#begin(socket, now);
      return;
    }
    if (this.#waitingHead < this.#waiting.length && !(this.#ending && this.#stopped)) {
      this.#begin(socket, this.#waiting[this.#waitingHead++]!);
      if (this.#waitingHead > 1024 && this.#waitingHead * 2 > this.#waiting.length) {
        this.#waiting.splice(0, this.#waitingHead);
        this.#waitingHead = 0;
      }
      return;
    }
    this.#idle.push(socket);
    if (this.#ending && this.#idle.length === this.#sockets.length) this.#settle?.();
  }

  #begin(socket: HttpSocket, intendedAtMs: number): void {
    socket.intendedAtMs = intendedAtMs;
    socket.sentAtMs = performance.now();
    socket.send();
  }

  /** Begins the requests whose moment has come, and comes back for the next one. */
  #arrive(): void {
    if (this.#ending) return;
    this.#beginDue();
    if (this.#nextMs >= this.#untilMs) return;
    const gap = this.#nextMs - performance.now();
    if (this.#spec.spin && gap < 2) setImmediate(() => this.#arrive());
    else setTimeout(() => this.#arrive(), Math.max(0, gap - (this.#spec.spin ? 1.5 : 0)));
  }

  #beginDue(): void {
    const now = performance.now();
    while (this.#nextMs <= now && this.#nextMs < this.#untilMs) {
      const intended = this.#nextMs;
      this.#nextMs += this.#gapMs();
      if (intended >= this.#fromMs) {
        this.#offered++;
        this.#lag.recordMs(now - intended);
      }
      const socket = this.#idle.pop();
      if (socket !== undefined) this.#begin(socket, intended);
      else {
        this.#waiting.push(intended);
        if (intended >= this.#fromMs) this.#waited++;
      }
    }
  }

  #gapMs(): number {
    const meanMs = 1000 / this.#spec.ratePerSecond!;
    return this.#spec.arrivals === 'constant' ? meanMs : -Math.log(1 - this.#random()) * meanMs;
  }

  #giveUpSlow(): void {
    const now = performance.now();
    for (const socket of this.#sockets) if (socket.busy && now - socket.sentAtMs > this.#spec.timeoutMs) socket.fail('timeout');
  }

  #over(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        const earlyMs = this.#untilMs - performance.now();
        if (earlyMs > 0) {
          // Timers may fire a fraction of a millisecond early.
          timer = setTimeout(end, earlyMs);
          return;
        }
        // Those whose moment came while this thread was held up are begun, late as they are.
        if (this.#spec.ratePerSecond !== undefined) this.#beginDue();
        this.#ending = true;
        this.#settle = undefined;
        resolve();
      };
      let timer = setTimeout(end, this.#untilMs - performance.now());
      this.#settle = end;
    });
  }

  #drained(withinMs: number): Promise<void> {
    if (this.#idle.length === this.#sockets.length) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#settle = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Open loop: requests that were meant to begin and have no answer yet took at least until now. Left out, a server that hangs would look fast. */
  #countUnanswered(): void {
    if (this.#spec.ratePerSecond === undefined) return;
    const now = performance.now();
    const intended = [...this.#sockets.filter((socket) => socket.busy).map((socket) => socket.intendedAtMs), ...this.#waiting.slice(this.#waitingHead)];
    const measured = intended.filter((moment) => moment >= this.#fromMs && moment < this.#untilMs);
    for (const moment of measured) this.#latency.recordMs(now - moment);
    if (measured.length > 0) this.#failures.set('not answered in time', measured.length);
  }
}

function plain({ counts, count, sumUs, maxUs }: LatencyRecorder): LoadResult['latency'] {
  return { counts, count, sumUs, maxUs };
}
