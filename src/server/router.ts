/** Finds the route of a method and path. One table for all protocols; a path that two of them claim is a start-up error. */
import createFindMyWay from 'find-my-way';
import { ModelportError } from '../errors.ts';
import type { Protocol, ProtocolContext, Route } from '../protocol.ts';

export interface MountedRoute {
  readonly route: Route;
  readonly protocol: Protocol;
}

export interface FoundRoute extends MountedRoute {
  readonly parameters: Readonly<Record<string, string | undefined>>;
}

export interface Router {
  readonly routes: readonly MountedRoute[];
  /** Throws `NOT_FOUND`, or `METHOD_NOT_ALLOWED` where the path has other methods. */
  find(method: string, path: string): FoundRoute;
}

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'] as const;

export function createRouter(protocols: readonly Protocol[], context: ProtocolContext): Router {
  const table = createFindMyWay({ maxParamLength: 1024, ignoreTrailingSlash: true });
  const routes: MountedRoute[] = [];
  for (const protocol of protocols) {
    for (const route of protocol.routes(context)) {
      const mounted = { route, protocol };
      routes.push(mounted);
      table.on(route.method, route.path, unused, mounted);
    }
  }
  const find = (method: string, path: string): FoundRoute | undefined => {
    const found = table.find(method as (typeof methods)[number], path);
    if (found === null) return undefined;
    const { route, protocol } = found.store as MountedRoute;
    return { route, protocol, parameters: found.params };
  };
  return {
    routes,
    find(method, path) {
      // A HEAD is the GET whose body the listener leaves out.
      const found = find(method, path) ?? (method === 'HEAD' ? find('GET', path) : undefined);
      if (found !== undefined) return found;
      const allowed = methods.filter((other) => find(other, path) !== undefined);
      if (allowed.length > 0) throw new MethodNotAllowedError(method, path, allowed);
      throw new ModelportError('NOT_FOUND', `there is nothing at ${path.slice(0, 200)}: GET /docs lists what is served`);
    },
  };
}

/** Carries the methods that the path has, for the `Allow` header. */
export class MethodNotAllowedError extends ModelportError {
  readonly allowed: readonly string[];
  constructor(method: string, path: string, allowed: readonly string[]) {
    super('METHOD_NOT_ALLOWED', `${method} is not allowed at ${path.slice(0, 200)}: use ${allowed.join(' or ')}`);
    this.allowed = allowed;
  }
}

function unused(): void {}
