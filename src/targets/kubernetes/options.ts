/** The flags of this target, checked. */
import { ModelportError } from '../../errors.ts';
import type { Deployment, TargetOptions } from '../../target.ts';
import { splitImage } from '../../target.ts';

export interface KubernetesOptions {
  readonly namespace: string;
  readonly format: 'plain' | 'kustomize' | 'helm';
  readonly cpuUtilizationPercent: number;
  readonly modelsImage: string | undefined;
  /** Relative, with forward slashes; '' for the image's root. */
  readonly modelsPath: string;
  readonly pullSecret: string | undefined;
  readonly apiKeySecret: string | undefined;
  readonly ingressClass: string | undefined;
  readonly gateway: { readonly name: string; readonly namespace: string | undefined } | undefined;
  readonly tlsSecret: string | undefined;
  readonly serviceMonitor: boolean;
  readonly monitoringNamespace: string;
  readonly allowEgress: boolean;
  /** Whether an autoscaler decides on replicas. */
  readonly scales: boolean;
}

/** Throws `INVALID_USAGE`. */
export function readKubernetesOptions(deployment: Deployment, options: TargetOptions): KubernetesOptions {
  splitImage(deployment.image);
  const text = (name: string): string | undefined => (options[name] === undefined ? undefined : String(options[name]));
  const objectName = (name: string, flag: string): string | undefined => {
    const given = text(name);
    return given === undefined ? undefined : checkObjectName(given, flag);
  };
  const namespace = checkNamespace(text('namespace') ?? 'default');
  const ingressClass = objectName('ingress', '--ingress');
  const gateway = text('gateway');
  const tlsSecret = objectName('tlsSecret', '--tls-secret');
  if ((ingressClass !== undefined || gateway !== undefined) && deployment.publicHost === undefined) throw new ModelportError('INVALID_USAGE', `${ingressClass === undefined ? '--gateway' : '--ingress'} needs the name under which the world reaches it: --public-host models.example.com`, { at: '--public-host' });
  if (ingressClass !== undefined && gateway !== undefined) throw new ModelportError('INVALID_USAGE', '--ingress and --gateway lead to the same service: choose one', { at: '--gateway' });
  if (tlsSecret !== undefined && ingressClass === undefined) throw new ModelportError('INVALID_USAGE', "--tls-secret is the Ingress's certificate: it needs --ingress (a Gateway has its own)", { at: '--tls-secret' });
  const percent = Number(options['cpuUtilization'] ?? 70);
  if (!(percent >= 1 && percent <= 1000)) throw new ModelportError('INVALID_USAGE', `--cpu-utilization ${percent}: write a percentage, as 70`, { at: '--cpu-utilization' });
  const [first, second] = gateway?.split('/') ?? [];
  const modelsImage = text('modelsImage');
  if (modelsImage !== undefined) splitImage(modelsImage);
  return {
    namespace,
    format: (options['format'] ?? 'plain') as KubernetesOptions['format'],
    cpuUtilizationPercent: percent,
    modelsImage,
    modelsPath: checkModelsPath(text('modelsPath') ?? 'models'),
    pullSecret: objectName('pullSecret', '--pull-secret'),
    apiKeySecret: objectName('apiKeySecret', '--api-key-secret'),
    ingressClass,
    gateway: gateway === undefined ? undefined : { name: checkObjectName(second ?? first!, '--gateway'), namespace: second === undefined ? undefined : checkNamespace(first!) },
    tlsSecret,
    serviceMonitor: options['serviceMonitor'] === true,
    monitoringNamespace: checkNamespace(text('monitoringNamespace') ?? 'monitoring'),
    allowEgress: options['allowEgress'] === true,
    scales: deployment.maximumReplicas > deployment.replicas,
  };
}

/** Throws `INVALID_USAGE` where the text is no name of a Kubernetes object (RFC 1123 subdomain). */
export function checkObjectName(name: string, flag: string): string {
  if (name.length > 253 || !/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/.test(name)) throw new ModelportError('INVALID_USAGE', `${flag} '${name}': names in Kubernetes are small letters, digits, hyphens and dots`, { at: flag });
  return name;
}

function checkModelsPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.some((part) => part === '..' || !/^[\w.@+-]+$/.test(part))) throw new ModelportError('INVALID_USAGE', `--models-path '${path}': write a folder of the image, as models`, { at: '--models-path' });
  return parts.join('/');
}

export function checkNamespace(name: string): string {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) throw new ModelportError('INVALID_USAGE', `'${name}' can't be a namespace: write up to 63 small letters, digits and hyphens`, { at: '--namespace' });
  return name;
}
