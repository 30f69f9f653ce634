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
  /** Mounted ones, and those that change as they are now. */
  readonly routes: readonly MountedRoute[];
  /** Grows when routes came or went: what was found before may be wrong now. */
  readonly generation: number;
  /** Throws `NOT_FOUND`, or `METHOD_NOT_ALLOWED` where the path has other methods. */
  find(method: string, path: string): FoundRoute;
}

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'] as const;

type Table = ReturnType<typeof createFindMyWay>;

function createTable(): Table {
  return createFindMyWay({ maxParamLength: 1024, ignoreTrailingSlash: true });
}

function findIn(table: Table, method: string, path: string): FoundRoute | undefined {
  const found = table.find(method as (typeof methods)[number], path);
  if (found === null) return undefined;
  const { route, protocol } = found.store as MountedRoute;
  return { route, protocol, parameters: found.params };
}

export function createRouter(protocols: readonly Protocol[], context: ProtocolContext): Router {
  const table = createTable();
  const mounted: MountedRoute[] = [];
  for (const protocol of protocols) {
    for (const route of protocol.routes(context)) {
      mounted.push({ route, protocol });
      table.on(route.method, route.path, unused, mounted.at(-1));
    }
  }
  let generation = 0;
  // Made when somebody asks: a repository tells of several changes in a row.
  let changing: { readonly table: Table; readonly routes: readonly MountedRoute[] } | undefined;
  const changingProtocols = protocols.filter((protocol) => protocol.changingRoutes !== undefined);
  if (changingProtocols.length > 0) {
    context.repository.onChange(() => {
      generation++;
      changing = undefined;
    });
  }
  const current = () => (changing ??= createChanging(changingProtocols, context));
  const find = (method: string, path: string): FoundRoute | undefined => {
    const { table: own, routes } = current();
    return (routes.length === 0 ? undefined : findIn(own, method, path)) ?? findIn(table, method, path);
  };
  return {
    get routes() {
      return [...mounted, ...current().routes];
    },
    get generation() {
      return generation;
    },
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

function createChanging(protocols: readonly Protocol[], context: ProtocolContext): { readonly table: Table; readonly routes: readonly MountedRoute[] } {
  const table = createTable();
  const routes: MountedRoute[] = [];
  for (const protocol of protocols) {
    for (const route of protocol.changingRoutes!(context)) {
      if (table.hasRoute(route.method, route.path)) continue;
      const mounted = { route, protocol };
      routes.push(mounted);
      table.on(route.method, route.path, unused, mounted);
    }
  }
  return { table, routes };
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
