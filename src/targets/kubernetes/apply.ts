/** `--apply`: every object by server-side apply, then the wait until the new pods serve; and back again where they don't. */
import { isModelportError, ModelportError } from '../../errors.ts';
import type { ApplyContext, Deployment, TargetOptions } from '../../target.ts';
import { openCluster, type Cluster, type ClusterObject } from './cluster.ts';
import { deploymentObjects, ownsReplicas, staleObjects } from './objects.ts';
import { checkNamespace } from './options.ts';
import { applyPrevious } from './rollback.ts';
import { describeFailure, replicaSets, revisionOf, waitForRollout } from './rollout.ts';

export async function applyKubernetes(deployment: Deployment, options: TargetOptions, context: ApplyContext): Promise<void> {
  const objects = deploymentObjects(deployment, options);
  const cluster = await openCluster(options, context.signal);
  const namespace = checkNamespace(String(options['namespace'] ?? 'default'));
  const fieldManager = String(options['fieldManager']);
  const force = options['forceConflicts'] === true;
  if (options['createNamespace'] === true) await cluster.createNamespace(namespace, fieldManager);
  const { name } = deployment;
  // All are tried before one is changed: a conflict or a misspelt field leaves everything as it is.
  for (const object of objects) await cluster.apply(object, { fieldManager, force, dryRun: true });
  const earlier = await cluster.get('apps/v1', 'Deployment', namespace, name);
  if (earlier !== undefined) await handReplicasOver(cluster, earlier, objects, fieldManager);
  for (const object of objects) {
    const { apiVersion, kind, metadata } = object;
    const before = await cluster.get(apiVersion, kind, namespace, metadata.name);
    const after = await cluster.apply(object, { fieldManager, force });
    context.note(`${kind} ${namespace}/${metadata.name}: ${before === undefined ? 'made' : before.metadata.resourceVersion === after.metadata.resourceVersion ? 'unchanged' : 'changed'}`);
  }
  for (const { apiVersion, kind } of await staleObjects(cluster, namespace, name, objects, fieldManager)) {
    await cluster.delete(apiVersion, kind, namespace, name);
    context.note(`${kind} ${namespace}/${name}: taken away`);
  }
  const failure = await waitForRollout(cluster, namespace, name, deployment.readySeconds, context);
  if (failure === undefined) {
    context.note(`${namespace}/${name} serves ${deployment.image}. kubectl --namespace ${namespace} port-forward service/${name} 8000:80 brings it to http://127.0.0.1:8000`);
    return;
  }
  const report = await describeFailure(cluster, namespace, name);
  const after = await goBack(cluster, deployment, namespace, options, earlier !== undefined, context);
  throw new ModelportError('RUN_FAILED', `${deployment.image} does not get ready: ${failure}\n${report}\n${after}`);
}

/**
 * An autoscaler takes over from a fixed number: a field that its only owner leaves out is removed, which would mean one replica. A second owner keeps
 * it as it is until the autoscaler writes it.
 */
async function handReplicasOver(cluster: Cluster, live: ClusterObject, objects: readonly ClusterObject[], fieldManager: string): Promise<void> {
  const wanted = objects.find(({ kind }) => kind === 'Deployment')!;
  const { apiVersion, kind, metadata: { name, namespace } } = wanted;
  if (wanted.spec?.['replicas'] !== undefined || !ownsReplicas(live, fieldManager)) return;
  await cluster.apply({ apiVersion, kind, metadata: { name, namespace: namespace! }, spec: { replicas: live.spec!['replicas'] } }, { fieldManager: `${fieldManager}-handover`, force: true });
}

/** Says what serves now. */
async function goBack(cluster: Cluster, { name }: Deployment, namespace: string, options: TargetOptions, wasThere: boolean, context: ApplyContext): Promise<string> {
  const live = await cluster.get('apps/v1', 'Deployment', namespace, name);
  const sets = live === undefined ? [] : await replicaSets(cluster, namespace, name, live);
  const failed = sets.find((set) => revisionOf(set) === revisionOf(live!));
  if (!wasThere || sets.every((set) => set === failed)) return 'There is no version before it to go back to; its pods are left for you to look at';
  if (options['keepFailed'] === true) return `It is left as it is (--keep-failed), and the pods of the version before go on serving. modelport deploy kubernetes --name ${name} --namespace ${namespace} --rollback goes back`;
  const image = await applyPrevious(cluster, namespace, name, String(options['fieldManager']));
  const failure = await waitForRollout(cluster, namespace, name, 120, context);
  if (failure !== undefined) return `Rolled back to ${image}, which is not ready either: ${failure}`;
  // Else a later --rollback would go to what never served.
  if (failed !== undefined) await cluster.delete('apps/v1', 'ReplicaSet', namespace, failed.metadata.name).catch(leaveIt);
  return `Rolled back: ${image} serves, as before`;
}

/** An account that may not tidy up may deploy all the same. */
function leaveIt(error: unknown): void {
  if (!isModelportError(error) || error.code !== 'FORBIDDEN') throw error;
}
