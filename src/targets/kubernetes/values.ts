/**
 * What manifests leave open. The same manifests become plain files, where every value stands as it is, and a Helm chart, where it is taken from
 * values.yaml: a {@link Values} says which.
 */
import { yamlScalar } from '../../lib/yaml-scalar.ts';
import type { Deployment } from '../../target.ts';
import { kubernetesQuantity, splitImage } from '../../target.ts';
import type { KubernetesOptions } from './options.ts';

export interface Values {
  readonly name: string;
  /** The lines `namespace: …`, or none. */
  readonly namespaceLine: string;
  readonly image: string;
  readonly version: string;
  readonly replicas: string;
  readonly maximumReplicas: string;
  readonly cpuUtilizationPercent: string;
  readonly cpu: string;
  readonly memory: string;
  readonly readySeconds: string;
  readonly drainSeconds: string;
  readonly gracePeriodSeconds: string;
  readonly publicHost: string;
  readonly ingressClass: string;
  readonly tlsSecret: string;
  readonly pullSecret: string;
  readonly apiKeySecret: string;
  readonly modelsImage: string;
  /** The folder of models in that image, with a slash before it; '' for its root. */
  readonly modelsPath: string;
  readonly gatewayName: string;
  readonly gatewayNamespaceLine: string;
  readonly monitoringNamespace: string;
  /** The lines of further environment variables, indented as members of `env`. */
  readonly environment: string;
  readonly managedBy: string;
  /** Lines that are there only where something is wanted. */
  when(what: Condition, lines: string, otherwise?: string): string;
}

export type Condition = 'scales' | 'disruptionBudget' | 'ingress' | 'tls' | 'gateway' | 'serviceMonitor' | 'pullSecret' | 'apiKey' | 'modelsImage' | 'egress';

/** Seconds between a pod's end being known and the moment it is told: load balancers and kube-proxy stop sending meanwhile. */
export const quietSeconds = 5;

export function conditions(deployment: Deployment, options: KubernetesOptions): Readonly<Record<Condition, boolean>> {
  return {
    scales: options.scales,
    disruptionBudget: deployment.replicas > 1,
    ingress: options.ingressClass !== undefined,
    tls: options.tlsSecret !== undefined,
    gateway: options.gateway !== undefined,
    serviceMonitor: options.serviceMonitor,
    pullSecret: options.pullSecret !== undefined,
    apiKey: options.apiKeySecret !== undefined,
    modelsImage: options.modelsImage !== undefined,
    egress: options.allowEgress,
  };
}

/** A label's value: at most 63 letters, digits, `-`, `_` and `.`. */
export function versionLabel(image: string): string {
  const { tag, digest } = splitImage(image);
  const text = (tag ?? digest?.slice('sha256:'.length, 'sha256:'.length + 12) ?? 'latest').replaceAll(/[^\w.-]/g, '-').slice(0, 63);
  return text.replace(/^[^A-Za-z0-9]+|[^A-Za-z0-9]+$/g, '') || 'latest';
}

export function literalValues(deployment: Deployment, options: KubernetesOptions, namespace: string | undefined): Values {
  const given = conditions(deployment, options);
  const { environment, readySeconds, drainSeconds } = deployment;
  return {
    name: deployment.name,
    namespaceLine: namespace === undefined ? '' : `  namespace: ${yamlScalar(namespace)}\n`,
    image: yamlScalar(deployment.image),
    version: JSON.stringify(versionLabel(deployment.image)),
    replicas: String(deployment.replicas),
    maximumReplicas: String(deployment.maximumReplicas),
    cpuUtilizationPercent: String(options.cpuUtilizationPercent),
    cpu: cpuQuantity(deployment.cpuMillicores),
    memory: kubernetesQuantity(deployment.memoryBytes),
    readySeconds: String(readySeconds),
    drainSeconds: String(drainSeconds),
    gracePeriodSeconds: String(quietSeconds + drainSeconds + 5),
    publicHost: yamlScalar(deployment.publicHost ?? ''),
    ingressClass: yamlScalar(options.ingressClass ?? ''),
    tlsSecret: yamlScalar(options.tlsSecret ?? ''),
    pullSecret: yamlScalar(options.pullSecret ?? ''),
    apiKeySecret: yamlScalar(options.apiKeySecret ?? ''),
    modelsImage: yamlScalar(options.modelsImage ?? ''),
    modelsPath: options.modelsPath === '' ? '' : `/${options.modelsPath}`,
    gatewayName: yamlScalar(options.gateway?.name ?? ''),
    gatewayNamespaceLine: options.gateway?.namespace === undefined ? '' : `      namespace: ${yamlScalar(options.gateway.namespace)}\n`,
    monitoringNamespace: yamlScalar(options.monitoringNamespace),
    environment: Object.entries(environment).map(([key, value]) => `            - name: ${yamlScalar(key)}\n              value: ${JSON.stringify(value)}\n`).join(''),
    managedBy: 'modelport',
    when: (what, lines, otherwise = '') => (given[what] ? lines : otherwise),
  };
}

export function cpuQuantity(millicores: number): string {
  return millicores % 1000 === 0 ? JSON.stringify(String(millicores / 1000)) : `${millicores}m`;
}
