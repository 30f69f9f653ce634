/**
 * Results in the order of their inputs, at most `concurrency` of them under way, each as soon as it and those before it are there: inputs that
 * come slowly hold nothing back. `work` must not reject. When the consumer leaves, what is under way is awaited and thrown away.
 */
export async function* inOrder<Input, Result>(inputs: AsyncIterable<Input>, concurrency: number, work: (input: Input) => Promise<Result>): AsyncGenerator<Result> {
  const source = inputs[Symbol.asyncIterator]();
  const pending: Task<Result>[] = [];
  let ended = false;
  let reading: Promise<void> | undefined;

  const begin = (input: Input): void => {
    const task: Task<Result> = { promise: undefined, result: undefined, done: false };
    task.promise = work(input).then((result) => {
      task.result = result;
      task.done = true;
    });
    pending.push(task);
  };
  const read = async (): Promise<void> => {
    const next = await source.next();
    reading = undefined;
    if (next.done === true) ended = true;
    else begin(next.value);
  };

  try {
    for (;;) {
      if (!ended && pending.length < concurrency) reading ??= read();
      const oldest = pending[0];
      if (oldest === undefined) {
        if (reading === undefined) return;
        await reading;
      } else if (oldest.done) {
        pending.shift();
        yield oldest.result as Result;
      } else {
        await (reading === undefined ? oldest.promise : Promise.race([reading, oldest.promise]));
      }
    }
  } finally {
    await Promise.allSettled([reading, ...pending.map(({ promise }) => promise)]);
    await source.return?.();
  }
}

interface Task<Result> {
  promise: Promise<void> | undefined;
  result: Result | undefined;
  done: boolean;
}

/** The same values, until the signal aborts: then the end, even while the source is silent. The source is told to end, but not waited for. */
export async function* untilAborted<Value>(values: AsyncIterable<Value>, signal: AbortSignal): AsyncGenerator<Value> {
  const source = values[Symbol.asyncIterator]();
  // One promise a value: a single one for the signal would gather a listener with every race.
  let end = (): void => {};
  const onAbort = (): void => end();
  signal.addEventListener('abort', onAbort, { once: true });
  let finished = false;
  try {
    while (!signal.aborted) {
      const next = await new Promise<IteratorResult<Value> | undefined>((resolve, reject) => {
        end = () => resolve(undefined);
        source.next().then(resolve, reject);
      });
      if (next === undefined) return;
      if (next.done === true) {
        finished = true;
        return;
      }
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    if (!finished) source.return?.().catch(() => {});
  }
}
