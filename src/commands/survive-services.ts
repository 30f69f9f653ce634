/** A service's code shares the process with everything that is served: what it forgets to catch must not end that. */
import { isModelportError } from '../errors.ts';
import type { Log } from '../observability/log.ts';
import { callSite, shownPlace } from '../service/call-site.ts';

/**
 * Logs rejections that nobody handles, and errors that a service's code throws outside of any request (in a timer, in an
 * event). Errors from elsewhere end the process as ever. Disposal takes it back.
 */
export function surviveServices(log: Pick<Log, 'error'>): Disposable {
  const tell = (error: unknown, what: string): void => {
    const site = callSite(error);
    log.error(isModelportError(error) ? { reason: error.message } : { err: error }, `${what}${site === undefined ? '' : ` at ${shownPlace(site)}`}: a handler that starts work has to await it or catch what it throws`);
  };
  const onRejection = (error: unknown): void => tell(error, 'a rejection was not handled');
  const onException = (error: unknown): void => {
    if (callSite(error) === undefined) {
      process.off('uncaughtException', onException);
      throw error;
    }
    tell(error, 'an error was thrown outside of any request');
  };
  process.on('unhandledRejection', onRejection);
  process.on('uncaughtException', onException);
  return {
    [Symbol.dispose]() {
      process.off('unhandledRejection', onRejection);
      process.off('uncaughtException', onException);
    },
  };
}
