/** The files of a deployment, in one of three layouts that are made from the same manifests. */
import { yamlScalar } from '../../lib/yaml-scalar.ts';
import type { Deployment, DeploymentFile, TargetOptions } from '../../target.ts';
import { splitImage, writtenBy } from '../../target.ts';
import { helmChart } from './helm-chart.ts';
import { manifests } from './manifests.ts';
import { readKubernetesOptions, type KubernetesOptions } from './options.ts';
import { literalValues } from './values.ts';

export function renderKubernetes(deployment: Deployment, given: TargetOptions): readonly DeploymentFile[] {
  const options = readKubernetesOptions(deployment, given);
  if (options.format === 'helm') return helmChart(deployment, options);
  if (options.format === 'kustomize') return kustomization(deployment, options);
  return plainFiles(deployment, options, options.namespace);
}

/** Each a document of one kind. `namespace` undefined: left to whoever applies them. */
export function plainFiles(deployment: Deployment, options: KubernetesOptions, namespace: string | undefined): readonly DeploymentFile[] {
  return manifests(deployment, options, literalValues(deployment, options, namespace)).map(({ path, what, content }) => ({ path, content: `${writtenBy(deployment, what)}${content}` }));
}

function kustomization(deployment: Deployment, options: KubernetesOptions): readonly DeploymentFile[] {
  const { repository, tag, digest } = splitImage(deployment.image);
  const base = plainFiles(deployment, options, undefined);
  const resources = base.map(({ path }) => `  - ${path}\n`).join('');
  return [
    ...base.map(({ path, content }) => ({ path: `base/${path}`, content })),
    {
      path: 'base/kustomization.yaml',
      content: `${writtenBy(deployment, 'What every environment has in common.')}apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
${resources}`,
    },
    {
      path: 'overlays/production/kustomization.yaml',
      content: `${writtenBy(deployment, 'What is particular to production: kubectl apply --server-side -k overlays/production')}apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: ${options.namespace}
resources:
  - ../../base
# A new version of the models is a line here.
images:
  - name: ${yamlScalar(repository)}
${digest === undefined ? `    newTag: ${JSON.stringify(tag ?? 'latest')}\n` : `    digest: ${digest}\n`}# Another environment is another folder beside this one, with patches like:
#patches:
#  - target: { kind: ${options.scales ? 'HorizontalPodAutoscaler' : 'Deployment'} }
#    patch: |
#      - { op: replace, path: /spec/${options.scales ? 'minReplicas' : 'replicas'}, value: 1 }
`,
    },
  ];
}
