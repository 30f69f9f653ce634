/** The rendered files as objects: what is applied is what a person would apply by hand. */
import { parse } from 'yaml';
import type { Deployment, TargetOptions } from '../../target.ts';
import type { Cluster, ClusterObject } from './cluster.ts';
import { readKubernetesOptions } from './options.ts';
import { plainFiles } from './render.ts';

/** Dependants last: the Deployment comes after what its pods need, the rest after it. */
export function deploymentObjects(deployment: Deployment, given: TargetOptions): readonly ClusterObject[] {
  const options = readKubernetesOptions(deployment, given);
  return plainFiles(deployment, options, options.namespace).map(({ content }) => parse(content, { version: '1.1' }) as ClusterObject);
}

/** An object without what the cluster keeps about it. */
export function withoutBookkeeping(object: ClusterObject): object {
  const { status: _status, metadata, ...rest } = object;
  const { managedFields: _fields, resourceVersion: _version, generation: _generation, uid: _uid, creationTimestamp: _time, ...kept } = metadata as unknown as Record<string, unknown>;
  const annotations = Object.fromEntries(Object.entries((kept['annotations'] as Record<string, string> | undefined) ?? {}).filter(([name]) => !name.startsWith('deployment.kubernetes.io/')));
  return { ...rest, metadata: { ...kept, ...(Object.keys(annotations).length === 0 ? { annotations: undefined } : { annotations }) } };
}

export function ownsReplicas(deployment: ClusterObject, fieldManager: string): boolean {
  return deployment.metadata.managedFields?.some(({ manager, operation, subresource, fieldsV1 }) => manager === fieldManager && operation === 'Apply' && subresource === undefined && Object.hasOwn((fieldsV1 as { 'f:spec'?: object })['f:spec'] ?? {}, 'f:replicas')) === true;
}

/** Kinds that a deployment may do without the next time. */
const optionalKinds = [['autoscaling/v2', 'HorizontalPodAutoscaler'], ['policy/v1', 'PodDisruptionBudget'], ['networking.k8s.io/v1', 'Ingress'], ['gateway.networking.k8s.io/v1', 'HTTPRoute'], ['monitoring.coreos.com/v1', 'ServiceMonitor']] as const;

/** What an earlier apply of ours made and this one does not want. */
export async function staleObjects(cluster: Cluster, namespace: string, name: string, wanted: readonly ClusterObject[], fieldManager: string): Promise<readonly ClusterObject[]> {
  const stale: ClusterObject[] = [];
  for (const [apiVersion, kind] of optionalKinds) {
    if (wanted.some((object) => object.kind === kind) || !(await cluster.knows(apiVersion, kind))) continue;
    const live = await cluster.get(apiVersion, kind, namespace, name);
    if (live?.metadata.managedFields?.some(({ manager, operation }) => manager === fieldManager && operation === 'Apply') === true) stale.push(live);
  }
  return stale;
}
