/** How long runs take and how many are under way: what is needed to say when a request will be answered. */

/** Weight of the newest run in the moving average. */
const newestWeight = 0.2;
/** How fast what is known of the quickest run fades. */
const fading = 0.02;

export class RunEstimate {
  readonly #concurrency: number;
  #averageMs = 0;
  #quickestRowMs = 0;
  #underWay = 0;
  /** The start of the newest run; with one instance, of the one that is under way. */
  #lastStartedAtMs = 0;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  get underWay(): number {
    return this.#underWay;
  }

  get averageRunMs(): number {
    return this.#averageMs;
  }

  /** What a row takes when nothing is in its way, which an average of a busy server does not tell. 0 before the first run. */
  get quickestRowMs(): number {
    return this.#quickestRowMs;
  }

  get hasCapacity(): boolean {
    return this.#underWay < this.#concurrency;
  }

  started(nowMs: number): void {
    this.#underWay++;
    this.#lastStartedAtMs = nowMs;
  }

  ended(): void {
    this.#underWay--;
  }

  /** Only runs that ended well count: a failure is often quick and says nothing about those that follow. */
  measured(durationMs: number, rows: number): void {
    const rowMs = durationMs / Math.max(1, rows);
    this.#quickestRowMs = this.#averageMs === 0 || rowMs < this.#quickestRowMs ? rowMs : this.#quickestRowMs + fading * (rowMs - this.#quickestRowMs);
    this.#averageMs = this.#averageMs === 0 ? durationMs : this.#averageMs + newestWeight * (durationMs - this.#averageMs);
  }

  /**
   * How long a request that comes after `runsAhead` other runs waits, at best. 0 while there is capacity for it, whatever the
   * average: an estimate that refused everything would never be corrected by a run.
   */
  waitMs(runsAhead: number, nowMs: number): number {
    const free = this.#concurrency - this.#underWay;
    if (runsAhead < free) return 0;
    const rounds = Math.floor((runsAhead - free) / this.#concurrency);
    const untilFree = this.#concurrency === 1 ? Math.max(0, this.#averageMs - (nowMs - this.#lastStartedAtMs)) : 0;
    return rounds * this.#averageMs + untilFree;
  }
}
