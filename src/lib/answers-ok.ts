/** Asking something that is just starting whether it is there. */
import { request } from 'node:http';

/**
 * Whether an `http:` address answers with a status of success in that time. Never throws. Not by `fetch`: Node 20's never settles where the connection is
 * taken and dropped at once, as Docker's proxy does for a container that does not listen yet.
 */
export function answersOk(url: string, timeoutMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request(url, { agent: false }, ({ statusCode = 0 }) => {
      resolve(statusCode >= 200 && statusCode < 300);
      outgoing.destroy();
    });
    const timer = setTimeout(() => outgoing.destroy(), timeoutMs);
    outgoing.on('error', () => resolve(false));
    outgoing.on('close', () => {
      clearTimeout(timer);
      resolve(false);
    });
    outgoing.end();
  });
}
