/** What a person sees, or a machine reads, when the server is up: what is served, and where. */
import { padEnd, visibleLength, type Style } from '../lib/terminal.ts';
import type { ModelRepository, ServedModel } from '../repository.ts';
import type { RunningServer } from '../server/server.ts';

export interface StartFacts {
  readonly version: string;
  readonly server: RunningServer;
  readonly host: string;
  readonly repository: ModelRepository;
  readonly durationMs: number;
  readonly style: Style;
}

const mostListed = 30;

export function startScreen({ version, server, host, repository, durationMs, style }: StartFacts): string {
  const lines = ['', `  ${style.bold('Modelport')} ${style.dim(version)}   ${style.dim(`ready in ${(durationMs / 1000).toFixed(2)} s`)}`, ''];
  lines.push(...modelTable(repository, style), '');
  const { page, rest, docs, grpc, metrics } = placesOf(server, host);
  const places = [['Page', page === undefined ? undefined : style.cyan(page)], ['REST', rest], ['Docs', docs], ['gRPC', grpc], ['Metrics', metrics]] as const;
  for (const [name, place] of places) if (place !== undefined) lines.push(`  ${style.dim(padEnd(name, 9))}${place}`);
  lines.push('', `  ${style.dim('Ctrl-C stops')}`, '');
  return lines.join('\n') + '\n';
}

/** The same for a log of JSON lines. */
export function startFacts({ version, server, host, repository, durationMs }: Omit<StartFacts, 'style'>): Readonly<Record<string, unknown>> {
  return { version, ms: Math.round(durationMs), ...placesOf(server, host), models: repository.index().map(({ name, version: of, state }) => ({ name, ...(of === '' ? {} : { version: of }), state })) };
}

interface Places {
  readonly page?: string;
  readonly rest?: string;
  readonly docs?: string;
  readonly grpc?: string;
  readonly metrics?: string;
}

function placesOf(server: RunningServer, host: string): Places {
  const shownHost = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const url = server.http === undefined ? undefined : `http://${shownHost}:${server.http.port}`;
  const metrics = server.metrics ?? server.http;
  return {
    ...(url === undefined ? {} : { page: url, rest: `${url}/v2`, docs: `${url}/docs` }),
    ...(server.grpc === undefined ? {} : { grpc: `${shownHost}:${server.grpc.port}` }),
    ...(metrics === undefined ? {} : { metrics: `http://${shownHost}:${metrics.port}/metrics` }),
  };
}

function modelTable(repository: ModelRepository, style: Style): string[] {
  const served = new Map(repository.ready().map((model) => [`${model.name}\0${model.version}`, model]));
  const rows = repository.index().map((entry) => {
    const model = served.get(`${entry.name}\0${entry.version}`);
    const state = entry.state === 'READY' ? style.green('●') : entry.state === 'UNAVAILABLE' ? style.red('▲') : style.yellow('◐');
    return [state, style.bold(entry.name), style.dim(entry.version === '' ? '' : `v${entry.version}`), model === undefined ? style.red(firstLine(entry.reason) || 'not loaded') : describe(model, style)];
  });
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => visibleLength(row[column]!))));
  const lines = rows.slice(0, mostListed).map((row) => `  ${row.map((cell, column) => (column < 3 ? padEnd(cell, widths[column]!) : cell)).join('  ')}`);
  if (rows.length > mostListed) lines.push(style.dim(`  and ${rows.length - mostListed} more`));
  if (rows.length === 0) lines.push(style.dim('  no models yet'));
  return lines;
}

function describe(model: ServedModel, style: Style): string {
  const { signature } = model.model;
  const { instances, batching } = model.config.config;
  const facts = [
    signature.predict?.task ?? model.platform,
    signature.batch.maxSize > 1 && batching !== false ? `batches to ${signature.batch.maxSize}` : 'one at a time',
    ...(instances?.kind === undefined || instances.kind === 'auto' ? [] : [instances.count === 1 || instances.count === undefined ? instances.kind : `${instances.count} × ${instances.kind}`]),
  ];
  return facts.join(style.dim(' · '));
}

function firstLine(text: string): string {
  return text.split('\n')[0]!.slice(0, 160);
}
