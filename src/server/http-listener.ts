/**
 * An HTTP/1.1 listener. Each connection begins as a {@link DirectConnection} and becomes node:http's with its first request
 * that is not in the usual form. Owns the sockets: their timeouts and how they end.
 */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { ModelportError } from '../errors.ts';
import { DirectConnection } from './direct-connection.ts';
import { createExchangeHandler, type ExchangeOptions } from './exchange.ts';
import { createNodeConnections } from './node-connections.ts';

export interface HttpListenerOptions extends ExchangeOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
}

export interface HttpListener {
  readonly host: string;
  readonly port: number;
  /** Requests that were accepted and are not answered yet. */
  readonly active: number;
  /** Takes no new connections; resolves when every accepted request is answered, or after `timeoutMs`. True: all were. */
  drain(timeoutMs: number): Promise<boolean>;
  close(): Promise<void>;
}

/** Idle connections may carry a request that is already on its way when draining begins: they get this long to show it. */
const idleGraceMs = 100;
/** A connection that neither reads nor writes for so long is ended, idle or half way through a body. */
const idleTimeoutMs = 75_000;
const sweepIntervalMs = 5000;

/** Throws `INVALID_USAGE` where the address can't be listened on. */
export async function listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
  const handler = createExchangeHandler(options);
  const node = createNodeConnections(handler);
  const direct = new Set<DirectConnection>();
  let draining = false;
  let onIdle: (() => void) | undefined;

  const active = (): number => {
    let count = node.active;
    for (const connection of direct) if (connection.active) count++;
    return count;
  };

  const connectionOptions = {
    handler,
    handOver: (socket: import('node:net').Socket, bytes: Buffer) => {
      socket.pause();
      socket.unshift(bytes);
      node.server.emit('connection', socket);
      process.nextTick(() => socket.resume());
    },
    onClose: (connection: DirectConnection) => {
      direct.delete(connection);
      if (draining && active() === 0) onIdle?.();
    },
  };
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const connection = new DirectConnection(socket, connectionOptions);
    direct.add(connection);
    if (draining) connection.endSoon();
  });

  await listen(server, options.host, options.port);
  // node:http begins to watch its timeouts when it hears this; it never listens itself.
  node.server.emit('listening');
  const sweeper = setInterval(() => {
    const now = performance.now();
    for (const connection of direct) {
      // 0: something happened since the last sweep. A connection whose request is being worked on is not idle.
      if (connection.idleSinceMs === 0 || connection.busy) connection.idleSinceMs = now;
      else if (now - connection.idleSinceMs > idleTimeoutMs) connection.destroy();
    }
  }, sweepIntervalMs).unref();
  const { port } = server.address() as AddressInfo;

  return {
    host: options.host,
    port,
    get active() {
      return active();
    },
    async drain(timeoutMs) {
      draining = true;
      const deadlineMs = performance.now() + timeoutMs;
      server.close();
      const idle = (): Promise<void> =>
        new Promise((resolve) => {
          onIdle = resolve;
          if (active() === 0) resolve();
        });
      node.startDraining(() => onIdle?.());
      await within(new Promise((resolve) => setTimeout(resolve, idleGraceMs)), timeoutMs);
      for (const connection of direct) connection.endSoon();
      node.server.closeIdleConnections();
      await within(idle(), Math.max(0, deadlineMs - performance.now()));
      node.server.closeIdleConnections();
      return active() === 0;
    },
    async close() {
      clearInterval(sweeper);
      server.close();
      for (const connection of direct) connection.destroy();
      node.server.closeAllConnections();
      // Stops its timers; it says that it was not listening.
      node.server.close(() => {});
    },
  };
}

async function within(work: Promise<void>, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work, new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)))]);
  clearTimeout(timer);
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
}

/** What a person reads when an address can't be had. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number): ModelportError {
  const reason =
    error.code === 'EADDRINUSE'
      ? `port ${port} on ${host} is in use: stop what listens there, or choose another with --port (0 takes a free one)`
      : error.code === 'EACCES'
        ? `this user may not listen on port ${port}: choose one above 1023`
        : error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND'
          ? `${host} is not an address of this machine: --host takes 127.0.0.1, 0.0.0.0 or one of its own`
          : `can't listen on ${host}:${port}: ${error.message}`;
  return new ModelportError('INVALID_USAGE', reason, { cause: error });
}
