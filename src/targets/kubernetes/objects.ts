/** The rendered files as objects: what is applied is what a person would apply by hand. */
import { parse } from 'yaml';
import type { Deployment, TargetOptions } from '../../target.ts';
import type { ClusterObject } from './cluster.ts';
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
