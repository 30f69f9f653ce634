/** What applying would change, as the cluster itself works it out: a dry run of the same server-side apply. */
import { stringify } from 'yaml';
import { isModelportError } from '../../errors.ts';
import { lineDifference } from '../../lib/line-difference.ts';
import type { ApplyContext, Deployment, TargetOptions } from '../../target.ts';
import { openCluster } from './cluster.ts';
import { deploymentObjects, staleObjects, withoutBookkeeping } from './objects.ts';

export async function differenceKubernetes(deployment: Deployment, options: TargetOptions, context: ApplyContext): Promise<string> {
  const cluster = await openCluster(options, context.signal);
  let text = '';
  for (const object of deploymentObjects(deployment, options)) {
    const { apiVersion, kind, metadata } = object;
    const before = await cluster.get(apiVersion, kind, metadata.namespace!, metadata.name);
    const after = await cluster.apply(object, { fieldManager: String(options['fieldManager']), force: options['forceConflicts'] === true, dryRun: true }).catch((error: unknown) => {
      // A dry run in a namespace that is to be made finds none.
      if (isModelportError(error) && error.code === 'NOT_FOUND' && options['createNamespace'] === true) return object;
      throw error;
    });
    const lines = lineDifference(before === undefined ? '' : yaml(withoutBookkeeping(before)), yaml(withoutBookkeeping(after)), 3);
    if (lines !== '') text += `${before === undefined ? 'new     ' : 'changed '} ${kind} ${metadata.namespace}/${metadata.name}\n${lines}`;
  }
  const namespace = String(options['namespace'] ?? 'default');
  for (const { kind, metadata } of await staleObjects(cluster, namespace, deployment.name, deploymentObjects(deployment, options), String(options['fieldManager']))) text += `gone     ${kind} ${namespace}/${metadata.name}\n`;
  return text;
}

function yaml(object: object): string {
  return stringify(object, { sortMapEntries: true, lineWidth: 0 });
}
