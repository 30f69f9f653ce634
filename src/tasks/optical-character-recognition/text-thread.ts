/** A worker thread for what takes long in reading text. See `text-work.ts`. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import { workOnLines, workOnPicture, workOnRegions, type TextWork, type WorkedLines, type WorkedPicture, type WorkedRegions } from './text-work.ts';

giveWayToEventLoop();

export type TextReply = { readonly done: WorkedPicture | WorkedRegions | WorkedLines } | { readonly error: PlainError };

const port = parentPort!;

async function work(task: TextWork): Promise<readonly [TextReply, ArrayBuffer[]]> {
  if (task.kind === 'picture') {
    const done = await workOnPicture(task);
    return [{ done }, [done.elements.buffer, done.picture.data.buffer as ArrayBuffer]];
  }
  if (task.kind === 'lines') {
    const done = workOnLines(task);
    return [{ done }, [done.elements.buffer]];
  }
  const done = workOnRegions(task);
  return [{ done }, done.lines.map((line) => line.data.buffer as ArrayBuffer)];
}

port.on('message', (task: TextWork) => {
  work(task).then(
    ([reply, transferred]) => port.postMessage(reply, transferred),
    (error: unknown) => port.postMessage({ error: toPlainError(error) }, []),
  );
});
