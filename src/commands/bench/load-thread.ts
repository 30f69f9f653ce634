/** The thread of a load generator: runs the spec that it was started with, tells how it goes, and answers with the result. */
import { parentPort, workerData } from 'node:worker_threads';
import { LoadGenerator, type LoadProgress, type LoadResult, type LoadSpec } from './load-generator.ts';

export type ThreadMessage = { readonly progress: LoadProgress } | { readonly result: LoadResult };

const port = parentPort!;
const load = new LoadGenerator(workerData as LoadSpec);
port.on('message', () => load.stop());
const telling = setInterval(() => port.postMessage({ progress: load.progress() } satisfies ThreadMessage), 250);
const result = await load.run();
clearInterval(telling);
port.postMessage({ result } satisfies ThreadMessage);
port.close();
