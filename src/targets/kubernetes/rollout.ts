/** Waiting for a Deployment's pods, and telling why they don't get ready. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApplyContext } from '../../target.ts';
import type { Cluster, ClusterObject } from './cluster.ts';

/** Undefined where every pod is of the new version and serves; else why not. */
export async function waitForRollout(cluster: Cluster, namespace: string, name: string, readySeconds: number, context: ApplyContext): Promise<string | undefined> {
  // The cluster's own deadline comes first; this one is for controllers that don't answer.
  const endMs = performance.now() + (readySeconds + 30) * 1000 * 2;
  let told = '';
  for (; performance.now() < endMs; await sleep(500, undefined, context.signal === undefined ? {} : { signal: context.signal })) {
    const deployment = await cluster.get('apps/v1', 'Deployment', namespace, name);
    if (deployment === undefined) return `the Deployment ${name} is gone`;
    const state = rolloutState(deployment);
    if (state.done) return undefined;
    if (state.failed !== undefined) return state.failed;
    const hopeless = hopelessPod(await newPods(cluster, namespace, name, deployment));
    if (hopeless !== undefined) return hopeless;
    if (state.sentence !== told) context.note(state.sentence);
    told = state.sentence;
  }
  return 'the cluster does not say that it is ready';
}

interface RolloutState {
  readonly done: boolean;
  readonly failed: string | undefined;
  readonly sentence: string;
}

/** As `kubectl rollout status` decides it. */
export function rolloutState(deployment: ClusterObject): RolloutState {
  const status = (deployment.status ?? {}) as { observedGeneration?: number; replicas?: number; updatedReplicas?: number; availableReplicas?: number; conditions?: { type: string; status: string; reason?: string; message?: string }[] };
  const wanted = (deployment.spec as { replicas?: number }).replicas ?? 1;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  if ((status.observedGeneration ?? 0) < (deployment.metadata.generation ?? 0)) return { done: false, failed: undefined, sentence: 'The cluster takes note' };
  const progressing = status.conditions?.find(({ type }) => type === 'Progressing');
  const quota = status.conditions?.find(({ type, status: value }) => type === 'ReplicaFailure' && value === 'True');
  const failed = progressing?.reason === 'ProgressDeadlineExceeded' ? 'it was not ready in time' : quota === undefined ? undefined : (quota.message ?? quota.reason);
  return {
    done: updatedReplicas >= wanted && replicas <= updatedReplicas && availableReplicas >= updatedReplicas,
    failed,
    // Those of the old version are available, too.
    sentence: `${Math.max(0, Math.min(updatedReplicas, availableReplicas - (replicas - updatedReplicas)))} of ${wanted} replicas of the new version are ready${replicas > updatedReplicas ? `, ${replicas - updatedReplicas} of the old one to go` : ''}`,
  };
}

/** The pods of the Deployment's newest template. */
export async function newPods(cluster: Cluster, namespace: string, name: string, deployment: ClusterObject): Promise<readonly ClusterObject[]> {
  const selector = `app.kubernetes.io/name=${name}`;
  const newest = await newestReplicaSet(cluster, namespace, name, deployment);
  const hash = newest?.metadata.labels?.['pod-template-hash'];
  return await cluster.list('v1', 'Pod', namespace, { labelSelector: hash === undefined ? selector : `${selector},pod-template-hash=${hash}` });
}

export async function replicaSets(cluster: Cluster, namespace: string, name: string, deployment: ClusterObject): Promise<readonly ClusterObject[]> {
  const all = await cluster.list('apps/v1', 'ReplicaSet', namespace, { labelSelector: `app.kubernetes.io/name=${name}` });
  return all.filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === deployment.metadata.uid) === true).sort((left, right) => revisionOf(right) - revisionOf(left));
}

export function revisionOf(object: ClusterObject): number {
  return Number(object.metadata.annotations?.['deployment.kubernetes.io/revision'] ?? 0);
}

async function newestReplicaSet(cluster: Cluster, namespace: string, name: string, deployment: ClusterObject): Promise<ClusterObject | undefined> {
  return (await replicaSets(cluster, namespace, name, deployment))[0];
}

interface ContainerStatus {
  readonly restartCount: number;
  readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string }; readonly terminated?: { readonly reason?: string; readonly exitCode?: number } };
  readonly lastState?: { readonly terminated?: { readonly reason?: string; readonly exitCode?: number } };
}

function containersOf(pod: ClusterObject): readonly ContainerStatus[] {
  return ((pod.status ?? {}) as { containerStatuses?: ContainerStatus[] }).containerStatuses ?? [];
}

/** What no waiting heals. */
function hopelessPod(pods: readonly ClusterObject[]): string | undefined {
  for (const pod of pods) {
    for (const { restartCount, state, lastState } of containersOf(pod)) {
      const reason = state?.waiting?.reason;
      if (reason === 'InvalidImageName' || reason === 'CreateContainerConfigError') return `pod ${pod.metadata.name} can't be made: ${state?.waiting?.message ?? reason}`;
      if (restartCount >= 3) return `pod ${pod.metadata.name} ended ${restartCount} times${lastState?.terminated === undefined ? '' : ` (${lastState.terminated.reason ?? 'exit'} ${lastState.terminated.exitCode ?? ''})`}`;
    }
  }
  return undefined;
}

const shownPods = 2;
const logLines = 20;

/** The pods that are not ready: what they wait for, their events, the last lines of their logs. */
export async function describeFailure(cluster: Cluster, namespace: string, name: string): Promise<string> {
  const deployment = await cluster.get('apps/v1', 'Deployment', namespace, name);
  if (deployment === undefined) return '';
  const pods = (await newPods(cluster, namespace, name, deployment)).filter((pod) => !isReady(pod));
  const parts: string[] = [];
  for (const pod of pods.slice(0, shownPods)) parts.push(await describePod(cluster, namespace, pod));
  if (pods.length === 0) parts.push(...(await eventsOf(cluster, namespace, (await newestReplicaSet(cluster, namespace, name, deployment))?.metadata.name ?? name)));
  if (pods.length > shownPods) parts.push(`and ${pods.length - shownPods} more pods`);
  return parts.join('\n');
}

function isReady(pod: ClusterObject): boolean {
  return ((pod.status ?? {}) as { conditions?: { type: string; status: string }[] }).conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
}

async function describePod(cluster: Cluster, namespace: string, pod: ClusterObject): Promise<string> {
  const { name } = pod.metadata;
  const { phase = 'unknown' } = (pod.status ?? {}) as { phase?: string };
  const containers = containersOf(pod);
  const states = containers.map(({ state, restartCount }) => [state?.waiting?.reason ?? (state?.terminated === undefined ? 'not ready' : `ended with ${state.terminated.exitCode}`), ...(restartCount === 0 ? [] : [`${restartCount} restarts`])].join(', '));
  const events = await eventsOf(cluster, namespace, name);
  const tail = { tailLines: String(logLines) };
  let log = await cluster.logs(namespace, name, tail);
  if (log.trim() === '' && containers.some(({ restartCount }) => restartCount > 0)) log = await cluster.logs(namespace, name, { ...tail, previous: 'true' });
  return [
    `pod ${name}: ${[phase, ...states].join(', ')}`,
    ...(events.length === 0 ? [] : ['  events:', ...events.map((event) => `    ${event}`)]),
    ...(log.trim() === '' ? [] : ['  its last lines:', ...log.trimEnd().split('\n').map((line) => `    ${line.slice(0, 500)}`)]),
  ].join('\n');
}

async function eventsOf(cluster: Cluster, namespace: string, object: string): Promise<string[]> {
  const events = (await cluster.list('v1', 'Event', namespace, { fieldSelector: `involvedObject.name=${object}` })) as unknown as readonly { type?: string; reason?: string; message?: string; count?: number; lastTimestamp?: string; eventTime?: string; metadata: { creationTimestamp?: string } }[];
  const time = (event: (typeof events)[number]): string => event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? '';
  return [...events].sort((left, right) => (time(left) < time(right) ? -1 : 1)).slice(-8).map(({ type, reason, message, count = 1 }) => `${type} ${reason}${count > 1 ? ` (${count} times)` : ''}: ${(message ?? '').slice(0, 400)}`);
}
