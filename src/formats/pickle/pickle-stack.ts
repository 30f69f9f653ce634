/** What a pickle's opcodes work on: the stack with its marks, and the memo. */
import type { PickleReading } from './pickle-class.ts';
import { memoryCost } from './pickle-limits.ts';
import type { PickleValue } from './pickle-value.ts';

export class PickleStack {
  /** Says what is wrong, and counts memory. */
  readonly #reading: Pick<PickleReading, 'fail' | 'charge'>;
  readonly #values: PickleValue[] = [];
  /** Heights of the stack at which MARKs stand. */
  readonly #marks: number[] = [];
  /** Values above the last mark begin here: nothing may be popped below. */
  #floor = 0;
  /** The memo, as long as its places are taken in order, which all writers do. */
  readonly #memo: PickleValue[] = [];
  /** Places beyond it: a file may name any number. */
  readonly #farMemo = new Map<number, PickleValue>();

  constructor(reading: Pick<PickleReading, 'fail' | 'charge'>) {
    this.#reading = reading;
  }

  push(value: PickleValue): void {
    this.#values.push(value);
  }

  pop(): PickleValue {
    if (this.#values.length <= this.#floor) this.#reading.fail('a value is taken from an empty stack');
    return this.#values.pop()!;
  }

  top(): PickleValue {
    if (this.#values.length <= this.#floor) this.#reading.fail('a value is taken from an empty stack');
    return this.#values.at(-1)!;
  }

  pushMark(): void {
    this.#marks.push(this.#values.length);
    this.#floor = this.#values.length;
  }

  /** Where nothing stands above the mark, POP takes the mark (pickletools says so; C Python does it). */
  popOne(): void {
    if (this.#values.length === this.#floor && this.#marks.length > 0) this.popToMark();
    else this.pop();
  }

  /** Values since the last mark, which goes away. */
  popToMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) return this.#reading.fail('there is no mark on the stack');
    const values = this.#values.splice(mark);
    this.#reading.charge(memoryCost.list + memoryCost.value * values.length);
    this.#floor = this.#marks.at(-1) ?? 0;
    return values;
  }

  /** The place that MEMOIZE takes. */
  get nextPlace(): number {
    return this.#memo.length + this.#farMemo.size;
  }

  memoize(index: number): void {
    this.#reading.charge(memoryCost.memo);
    if (index > this.#memo.length) {
      this.#farMemo.set(index, this.top());
      return;
    }
    this.#memo[index] = this.top();
    if (this.#farMemo.size > 0) this.#farMemo.delete(index);
  }

  recall(index: number | bigint): void {
    const value = typeof index !== 'number' ? undefined : index < this.#memo.length ? this.#memo[index] : this.#farMemo.get(index);
    if (value === undefined) this.#reading.fail(`the memo has nothing under ${index}`);
    this.push(value);
  }
}
