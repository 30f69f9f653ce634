/** One OpenAPI 3.1 document from what each mounted route says of itself. */
import type { JsonSchema } from '../../model.ts';
import type { Route, ServerFacts } from '../../protocol.ts';

/** Pure: the same routes give the same document. */
export function createOpenApi(routes: readonly Route[], server: ServerFacts): JsonSchema {
  const paths: Record<string, Record<string, unknown>> = {};
  const tags = new Map<string, true>();
  for (const route of routes) {
    for (const { path, operation } of route.describe?.() ?? []) {
      for (const tag of operation.tags ?? []) tags.set(tag, true);
      const security = route.door === 'public' ? {} : { security: [{}, { key: [] }] };
      (paths[path] ??= {})[route.method.toLowerCase()] = {
        operationId: operationId(route.method, path),
        summary: operation.summary,
        ...(operation.description === undefined ? {} : { description: operation.description }),
        ...(operation.tags === undefined ? {} : { tags: operation.tags }),
        ...security,
        ...operation.openapi,
      };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: server.serverName,
      version: server.version,
      description: 'Models served by Modelport. Each loaded model has operations of its own, with its own schema and an example that works as it stands.',
    },
    servers: [{ url: '.' }],
    tags: [...tags.keys()].map((name) => ({ name })),
    paths,
    components: { securitySchemes: { key: { type: 'http', scheme: 'bearer', description: 'Where the server was started with --api-key-file or --management-key-file.' } } },
  };
}

function operationId(method: string, path: string): string {
  return `${method.toLowerCase()}${path.replace(/[^A-Za-z0-9]+/g, '_')}`.replace(/_+$/, '');
}
