/** Finds what is wrong with a service before it serves: the file, the line, and what to write instead. */
import { dirname, resolve } from 'node:path';
import { ModelportError } from '../errors.ts';
import { suggestName } from '../lib/suggest-name.ts';
import { callSite, shownPlace } from './call-site.ts';
import { definedAt } from './defined-at.ts';
import { serviceMark, type DefineEndpoint, type EndpointDefinition, type Endpoints, type HandlerContext, type Service, type ServiceOptions } from './definition.ts';

const serviceMembers = ['name', 'description', 'version', 'models', 'services', 'dependencies', 'start', 'stop', 'endpoints'];
const endpointMembers = ['summary', 'description', 'method', 'path', 'status', 'tags', 'deprecated', 'input', 'output', 'examples', 'timeoutMs', 'concurrency', 'maxQueueSize', 'batch', 'stream', 'handler'];
const methods = ['GET', 'POST', 'PUT', 'DELETE'];

/** Throws `INVALID_CONFIG`. */
export function checkService(options: ServiceOptions<Endpoints>, endpoint: DefineEndpoint<HandlerContext>): Service {
  const site = callSite();
  const failAt = (place: string | undefined) => (message: string): never => {
    throw new ModelportError('INVALID_CONFIG', `${place === undefined ? '' : `${shownPlace(place)}: `}${message}`, place === undefined ? {} : { at: place });
  };
  const fail = failAt(site);
  if (!isRecord(options)) return fail('defineService takes an object: defineService({ name: \'flowers\', endpoints: { … } })');
  requireKnown(options, serviceMembers, 'a service', fail);
  const { name, description, version = '1', models = {}, services = {}, dependencies = {}, start, stop } = options;
  if (typeof name !== 'string' || !/^[A-Za-z0-9][\w-]{0,99}$/.test(name)) fail(`the service's name is ${shown(name)}: write letters, digits, - and _, as in name: 'flowers'`);
  if (typeof version !== 'string' || !/^[\w.-]{1,50}$/.test(version)) fail(`the version of service '${name}' is ${shown(version)}: write a text, as in version: '1'`);
  for (const [member, value] of Object.entries({ start, stop })) if (value !== undefined && typeof value !== 'function') fail(`${member} of service '${name}' is ${shown(value)}: write a function`);
  const given = typeof options.endpoints === 'function' ? options.endpoints(endpoint as never) : options.endpoints;
  if (!isRecord(given) || Object.keys(given).length === 0) return fail(`service '${name}' has no endpoints: write endpoints: { classify: endpoint({ input: z.object({ … }), handler: async (input) => … }) }`);
  for (const [endpointName, definition] of Object.entries(given)) checkEndpoint(name, endpointName, definition, failAt((isRecord(definition) ? definedAt.get(definition) : undefined) ?? site));
  for (const [member, value] of Object.entries(dependencies)) {
    if (!isRecord(value) || typeof (value as { create?: unknown }).create !== 'function') fail(`dependency '${member}' of service '${name}' is ${shown(value)}: write ${member}: dependency(async () => …)`);
  }
  for (const [member, value] of Object.entries(services)) {
    if (typeof value !== 'string' && !(isRecord(value) && serviceMark in value)) fail(`services.${member} of service '${name}' is ${shown(value)}: write a service that you import, or the name of one that is served beside it`);
  }
  const folder = site === undefined ? process.cwd() : dirname(site.replace(/:\d+:\d+$/, ''));
  return {
    [serviceMark]: true,
    name,
    ...(description === undefined ? {} : { description }),
    version,
    models: Object.fromEntries(Object.entries(models).map(([member, source]) => [member, modelSource(member, source, folder, fail)])),
    services,
    dependencies,
    endpoints: given,
    ...(start === undefined ? {} : { start: start as never }),
    ...(stop === undefined ? {} : { stop: stop as never }),
    definedAt: site,
  };
}

/** An absolute path, or a name as it is. */
function modelSource(member: string, source: unknown, folder: string, fail: (message: string) => never): string {
  const text = isRecord(source) ? (source as { source?: unknown }).source : source;
  if (typeof text !== 'string' || text === '') return fail(`models.${member} is ${shown(source)}: write the path of a model from this file ('./iris.onnx'), or the name of a model that is served`);
  return /[\\/]|\.\w+$/.test(text) ? resolve(folder, text) : text;
}

function checkEndpoint(service: string, name: string, definition: EndpointDefinition, fail: (message: string) => never): void {
  const what = `endpoint '${name}' of service '${service}'`;
  if (!/^[A-Za-z][\w-]{0,99}$/.test(name)) fail(`${what}: a name begins with a letter and has letters, digits, - and _`);
  if (!isRecord(definition)) return fail(`${what} is ${shown(definition)}: write ${name}: endpoint({ input: z.object({ … }), handler: async (input) => … })`);
  requireKnown(definition, endpointMembers, what, fail);
  const { handler, input, output, method = 'POST', path, batch, timeoutMs, concurrency, maxQueueSize, examples, status } = definition;
  if (typeof handler !== 'function') fail(`${what} has no handler: write handler: async (input) => …`);
  for (const [member, schema] of Object.entries({ input, output })) {
    if (schema === undefined || isZod(schema)) continue;
    fail(`${member} of ${what} is ${isRecord(schema) ? 'a plain object' : shown(schema)}: write a zod schema, ${member}: z.object({ ${isRecord(schema) ? `${Object.keys(schema)[0] ?? 'x'}: z.number()` : 'x: z.number()'} })`);
  }
  if (!methods.includes(method)) fail(`method of ${what} is ${shown(method)}: write ${methods.join(', ')}`);
  if (path !== undefined) checkPath(path, what, fail);
  if (batch !== undefined) {
    if (!isRecord(batch) || !isCount((batch as { maxSize?: unknown }).maxSize)) return fail(`batch of ${what}: write batch: { maxSize: 16, maxDelayMs: 5 }`);
    requireKnown(batch, ['maxSize', 'maxDelayMs'], `batch of ${what}`, fail);
    const { maxDelayMs = 0 } = batch;
    if (typeof maxDelayMs !== 'number' || !(maxDelayMs >= 0)) fail(`batch.maxDelayMs of ${what} is ${shown(maxDelayMs)}: write milliseconds`);
    if (isAsyncGenerator(handler)) fail(`${what} answers in parts, which cannot be batched: leave out batch, or return an array`);
  }
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0)) fail(`timeoutMs of ${what} is ${shown(timeoutMs)}: write milliseconds`);
  if (concurrency !== undefined && !isCount(concurrency)) fail(`concurrency of ${what} is ${shown(concurrency)}: write a whole number from 1`);
  if (maxQueueSize !== undefined && !(Number.isInteger(maxQueueSize) && maxQueueSize >= 0)) fail(`maxQueueSize of ${what} is ${shown(maxQueueSize)}: write a whole number`);
  if (status !== undefined && !(Number.isInteger(status) && status >= 200 && status <= 299)) fail(`status of ${what} is ${shown(status)}: write one from 200 to 299`);
  if (examples !== undefined && !Array.isArray(examples)) fail(`examples of ${what} is ${shown(examples)}: write a list of inputs`);
}

function checkPath(path: unknown, what: string, fail: (message: string) => never): void {
  if (typeof path !== 'string' || !/^\/(?:[\w.~-]+|\{[A-Za-z_]\w*\}|\/)*$/.test(path) || path.includes('//')) {
    fail(`path of ${what} is ${shown(path)}: begin it with / and write inputs in braces, as in path: '/items/{id}'`);
  }
}

function requireKnown(value: object, known: readonly string[], what: string, fail: (message: string) => never): void {
  for (const member of Object.keys(value)) if (!known.includes(member)) fail(`${what} has no member '${member}'${suggestName(member, known)}`);
}

export function isAsyncGenerator(handler: unknown): boolean {
  return typeof handler === 'function' && Object.prototype.toString.call(handler) === '[object AsyncGeneratorFunction]';
}

function isZod(value: unknown): boolean {
  return isRecord(value) && '_zod' in value;
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  const text = typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? typeof value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
