/** Back to the template before: what `kubectl rollout undo` does, in the name of the same field manager, so that the next apply meets no stranger. */
import { ModelportError } from '../../errors.ts';
import type { ApplyContext, TargetOptions } from '../../target.ts';
import { openCluster, type Cluster, type ClusterObject } from './cluster.ts';
import { ownsReplicas, withoutBookkeeping } from './objects.ts';
import { checkNamespace } from './options.ts';
import { describeFailure, replicaSets, revisionOf, waitForRollout } from './rollout.ts';

export async function rollbackKubernetes(name: string, options: TargetOptions, context: ApplyContext): Promise<void> {
  const cluster = await openCluster(options, context.signal);
  const namespace = checkNamespace(String(options['namespace'] ?? 'default'));
  const image = await applyPrevious(cluster, namespace, name, String(options['fieldManager']));
  if (image === undefined) throw new ModelportError('NOT_FOUND', `${namespace}/${name} has no version before this one`);
  context.note(`Back to ${image}`);
  const failure = await waitForRollout(cluster, namespace, name, 300, context);
  if (failure !== undefined) throw new ModelportError('RUN_FAILED', `${namespace}/${name} does not get ready: ${failure}\n${await describeFailure(cluster, namespace, name)}`);
  context.note(`${namespace}/${name} serves it`);
}

/** Gives the image that comes back; undefined where there is nothing before. Does not wait. */
export async function applyPrevious(cluster: Cluster, namespace: string, name: string, fieldManager: string): Promise<string | undefined> {
  const live = await cluster.get('apps/v1', 'Deployment', namespace, name);
  if (live === undefined) throw new ModelportError('NOT_FOUND', `there is no Deployment ${name} in namespace ${namespace} of ${cluster.server}`);
  const now = revisionOf(live);
  const previous = (await replicaSets(cluster, namespace, name, live)).find((set) => revisionOf(set) !== now);
  const template = (previous?.spec as { template?: PodTemplate } | undefined)?.template;
  if (template === undefined) return undefined;
  const { 'pod-template-hash': _hash, ...labels } = template.metadata.labels;
  const { metadata, spec } = withoutBookkeeping(live) as { metadata: ClusterObject['metadata']; spec: Record<string, unknown> };
  // Replicas stay whose they are: an autoscaler's, or ours.
  const { replicas, ...rest } = spec;
  const version = labels['app.kubernetes.io/version'];
  await cluster.apply(
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace, labels: { ...metadata.labels, ...(version === undefined ? {} : { 'app.kubernetes.io/version': version }) } },
      spec: { ...rest, ...(ownsReplicas(live, fieldManager) ? { replicas } : {}), template: { ...template, metadata: { labels } } },
    },
    { fieldManager, force: true },
  );
  return template.spec.containers[0]?.image ?? 'the version before';
}

interface PodTemplate {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly containers: readonly { readonly image?: string }[] };
}
