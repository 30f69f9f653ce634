/** The best of many candidates: a heap of bounded size with the worst one at its top, so that one more costs a comparison. */

export interface Candidate {
  readonly row: number;
  readonly category: number;
  readonly score: number;
}

export class BestCandidates {
  readonly #most: number;
  readonly #scores: Float64Array;
  readonly #rows: Uint32Array;
  readonly #categories: Int32Array;
  #count = 0;

  constructor(most: number) {
    this.#most = most;
    this.#scores = new Float64Array(most);
    this.#rows = new Uint32Array(most);
    this.#categories = new Int32Array(most);
  }

  /** Of equal scores the one of the earlier row is better, and then the smaller class. */
  offer(row: number, category: number, score: number): void {
    if (this.#count < this.#most) this.#raise(this.#count++, row, category, score);
    else if (this.#isBetter(0, row, category, score)) this.#lower(row, category, score);
  }

  /** The best first. */
  sorted(): Candidate[] {
    return Array.from({ length: this.#count }, (_, place): Candidate => ({ row: this.#rows[place]!, category: this.#categories[place]!, score: this.#scores[place]! })).sort(
      (a, b) => b.score - a.score || a.row - b.row || a.category - b.category,
    );
  }

  /** Than the one at that place. */
  #isBetter(place: number, row: number, category: number, score: number): boolean {
    const difference = score - this.#scores[place]! || this.#rows[place]! - row || this.#categories[place]! - category;
    return difference > 0;
  }

  /** Puts one in from below. */
  #raise(from: number, row: number, category: number, score: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.#isBetter(parent, row, category, score)) break;
      this.#move(parent, place);
      place = parent;
    }
    this.#put(place, row, category, score);
  }

  /** Puts one in the place of the worst. */
  #lower(row: number, category: number, score: number): void {
    let place = 0;
    for (;;) {
      let child = place * 2 + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#isBetter(child + 1, this.#rows[child]!, this.#categories[child]!, this.#scores[child]!)) child++;
      if (!this.#isBetter(child, row, category, score)) break;
      this.#move(child, place);
      place = child;
    }
    this.#put(place, row, category, score);
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#rows[from]!, this.#categories[from]!, this.#scores[from]!);
  }

  #put(place: number, row: number, category: number, score: number): void {
    this.#rows[place] = row;
    this.#categories[place] = category;
    this.#scores[place] = score;
  }
}
