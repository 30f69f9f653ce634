/** What `ui/models` says. Pure. */
import type { ServerFacts } from '../../protocol.ts';
import type { ModelRepository, ServedModel } from '../../repository.ts';

export function describePage(repository: ModelRepository, server: ServerFacts): unknown {
  const served = new Map(repository.ready().map((model) => [`${model.name}\0${model.version}`, model]));
  const models = new Map<string, unknown[]>();
  for (const { name, version, state, reason } of repository.index()) {
    const versions = models.get(name) ?? [];
    models.set(name, versions);
    const ready = served.get(`${name}\0${version}`);
    versions.push({ version, state, reason, ...(ready === undefined ? {} : { served: describeVersion(ready, server) }) });
  }
  return {
    server: { name: server.serverName, version: server.version },
    models: [...models].sort(([a], [b]) => a.localeCompare(b)).map(([name, versions]) => ({ name, versions })),
  };
}

function describeVersion(served: ServedModel, server: ServerFacts): unknown {
  const { signature } = served.model;
  const { config } = served.config;
  const statistics = served.statistics();
  const { predict } = signature;
  return {
    platform: served.platform,
    ...(config.description === undefined ? {} : { description: config.description }),
    signature: { inputs: signature.inputs, outputs: signature.outputs },
    ...(predict === undefined ? {} : { predict: { ...predict, path: predictPath(served, server), ...streamOf(served) } }),
    batching: signature.batch,
    ...(config.instances?.kind === undefined ? {} : { instances: { kind: config.instances.kind, count: config.instances.count ?? 1 } }),
    statistics: {
      requests: statistics.success.count + statistics.fail.count,
      failures: statistics.fail.count,
      inferences: statistics.inferenceCount,
      executions: statistics.executionCount,
    },
  };
}

/** How an answer is had in parts, where it can be. */
function streamOf({ name, version, versions, model }: ServedModel): { readonly stream?: 'parts' | 'tokens'; readonly tokensPath?: string } {
  if (model.predictStream !== undefined) return { stream: 'parts' };
  if (model.generate === undefined) return {};
  const named = versions.at(-1) === version ? '' : `/versions/${encodeURIComponent(version)}`;
  return { stream: 'tokens', tokensPath: `v2/models/${encodeURIComponent(name)}${named}/generate_stream` };
}

/** How many requests of a version wait or run, and how many were answered since it was loaded: from two of these the page tells a place in the queue. */
export function describeQueue(served: ServedModel): unknown {
  const { success, fail, cancel, inProgress } = served.statistics();
  return { inProgress: inProgress ?? 0, answered: success.count + fail.count + cancel.count };
}

function predictPath(served: ServedModel, server: ServerFacts): string {
  const newest = served.versions.at(-1) === served.version;
  if (server.predictPath !== undefined && newest) return server.predictPath.replace('{name}', encodeURIComponent(served.name)).replace(/^\//, '');
  const version = newest ? '' : `/versions/${encodeURIComponent(served.version)}`;
  return `models/${encodeURIComponent(served.name)}${version}/predict`;
}
