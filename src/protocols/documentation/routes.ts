/** `/openapi.json`, Swagger UI at `/docs`, and ReDoc at `/redoc` where its package is installed. All work offline: their files come from npm packages. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ModelportError } from '../../errors.ts';
import type { HttpResponse, Protocol } from '../../protocol.ts';
import { createOpenApi } from './openapi.ts';

const contentTypes: Readonly<Record<string, string>> = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const page = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>API documentation</title>
  <link rel="icon" href="docs/favicon-32x32.png">
  <link rel="stylesheet" href="docs/swagger-ui.css">
  <style>body { margin: 0 } .swagger-ui .topbar { display: none }</style>
</head>
<body>
  <div id="documentation"></div>
  <script src="docs/swagger-ui-bundle.js"></script>
  <script src="docs/start.js"></script>
</body>
</html>
`;
const start = `window.ui = SwaggerUIBundle({ url: 'openapi.json', dom_id: '#documentation', deepLinking: true, tryItOutEnabled: true, displayRequestDuration: true });\n`;

export const documentation: Protocol = {
  name: 'documentation',
  routes(context) {
    let document: string | undefined;
    context.repository.onChange(() => (document = undefined));
    return [
      {
        method: 'GET',
        path: '/openapi.json',
        door: 'public',
        handle: () => ({
          headers: { 'content-type': 'application/json', 'cache-control': 'no-cache' },
          body: (document ??= JSON.stringify(createOpenApi(context.mountedRoutes(), context.server))),
        }),
      },
      { method: 'GET', path: '/docs', door: 'public', handle: (request) => (request.path.endsWith('/') ? { status: 308, headers: { location: '../docs' } } : html(page)) },
      { method: 'GET', path: '/docs/start.js', door: 'public', handle: () => ({ headers: { 'content-type': 'text/javascript; charset=utf-8' }, body: start }) },
      { method: 'GET', path: '/docs/:file', door: 'public', handle: (request) => asset(request.parameters['file']!) },
      { method: 'GET', path: '/redoc', door: 'public', handle: () => (findRedoc(), html(redocPage)) },
      {
        method: 'GET',
        path: '/redoc/redoc.standalone.js',
        door: 'public',
        handle: async () => ({ headers: { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'public, max-age=3600' }, body: await readFile(findRedoc()) }),
      },
    ];
  },
};

const redocPage = `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>API documentation</title>
  <style>body { margin: 0 }</style>
</head>
<body>
  <redoc spec-url="openapi.json"></redoc>
  <script src="redoc/redoc.standalone.js"></script>
</body>
</html>
`;

/** Its bundle. Throws `MISSING_DEPENDENCY` with the line to type. */
function findRedoc(): string {
  try {
    return createRequire(import.meta.url).resolve('redoc/bundles/redoc.standalone.js');
  } catch (cause) {
    throw new ModelportError('MISSING_DEPENDENCY', 'ReDoc is not installed here: npm install redoc. Swagger UI is at /docs.', { cause });
  }
}

function html(body: string): HttpResponse {
  return { headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; worker-src 'self' blob:" }, body };
}

async function asset(file: string): Promise<HttpResponse> {
  const type = contentTypes[file];
  if (type === undefined) throw new ModelportError('NOT_FOUND', `there is nothing at /docs/${file.slice(0, 100)}`);
  const folder = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));
  return { headers: { 'content-type': type, 'cache-control': 'public, max-age=3600' }, body: await readFile(join(folder, file)) };
}
