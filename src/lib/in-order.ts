/**
 * Results in the order of their inputs, at most `concurrency` of them under way. `work` must not reject. Inputs are taken only as
 * results are, so neither pile up. When the consumer leaves, what is under way is awaited and thrown away.
 */
export async function* inOrder<Input, Result>(inputs: AsyncIterable<Input>, concurrency: number, work: (input: Input) => Promise<Result>): AsyncGenerator<Result> {
  const source = inputs[Symbol.asyncIterator]();
  const pending: Promise<Result>[] = [];
  let ended = false;
  try {
    for (;;) {
      while (!ended && pending.length < concurrency) {
        const next = await source.next();
        if (next.done === true) ended = true;
        else pending.push(work(next.value));
      }
      const oldest = pending.shift();
      if (oldest === undefined) return;
      yield await oldest;
    }
  } finally {
    await Promise.allSettled(pending);
    await source.return?.();
  }
}
