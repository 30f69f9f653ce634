/** Kubernetes: plain files, a Kustomize base with an overlay, a Helm chart, or straight into a cluster by server-side apply. */
import type { Target } from '../../target.ts';

export const kubernetes: Target = {
  name: 'kubernetes',
  summary: 'a Deployment with Service, autoscaler, disruption budget and network policy',
  usesImage: true,
  options: [
    { flags: '--namespace <name>', description: 'namespace of the cluster', default: 'default' },
    { flags: '--format <format>', description: 'plain files, a Kustomize base with an overlay, or a Helm chart', choices: ['plain', 'kustomize', 'helm'], default: 'plain' },
    { flags: '--cpu-utilization <percent>', description: 'how busy replicas are, on average of what they are promised, when more are added', kind: 'integer', default: 70 },
    { flags: '--models-image <image>', description: 'take models from this image of build (an OCI volume; Kubernetes 1.35 with containerd 2.1, or the ImageVolume feature)' },
    { flags: '--models-path <path>', description: 'where models lie in --models-image', default: 'models' },
    { flags: '--pull-secret <name>', description: "secret with the registry's login" },
    { flags: '--api-key-secret <name>', description: 'secret whose entry "keys" holds the API keys, one a line' },
    { flags: '--ingress <class>', description: 'an Ingress of this class for --public-host' },
    { flags: '--gateway <name>', description: 'an HTTPRoute at this Gateway (name or namespace/name) for --public-host' },
    { flags: '--tls-secret <name>', description: "secret with the Ingress's certificate" },
    { flags: '--service-monitor', description: 'a ServiceMonitor for the Prometheus operator' },
    { flags: '--monitoring-namespace <name>', description: 'namespace whose pods may read metrics', default: 'monitoring' },
    { flags: '--allow-egress', description: 'let pods call other hosts; without it they may only ask for names' },
    { flags: '--context <name>', description: 'context of the kubeconfig, with --apply, --diff and --rollback' },
    { flags: '--kubeconfig <file>', description: 'the kubeconfig. Default: $KUBECONFIG, ~/.kube/config, or the pod that this runs in' },
    { flags: '--create-namespace', description: 'make the namespace where it is missing' },
    { flags: '--field-manager <name>', description: "the name under which fields are owned", default: 'modelport' },
    { flags: '--force-conflicts', description: 'take fields over that somebody else owns' },
    { flags: '--keep-failed', description: 'leave a version that does not get ready; without it the one before comes back' },
  ],
  async render(deployment, options) {
    const { renderKubernetes } = await import('./render.ts');
    return renderKubernetes(deployment, options);
  },
  applyByHand: ({ name }, options, folder) => {
    const namespace = String(options['namespace']);
    if (options['format'] === 'helm') return `helm upgrade --install ${name} ${folder} --namespace ${namespace}`;
    if (options['format'] === 'kustomize') return `kubectl apply --server-side -k ${folder}/overlays/production`;
    return `kubectl apply --server-side -f ${folder}`;
  },
  async apply(deployment, options, context) {
    const { applyKubernetes } = await import('./apply.ts');
    await applyKubernetes(deployment, options, context);
  },
  async difference(deployment, options, context) {
    const { differenceKubernetes } = await import('./difference.ts');
    return differenceKubernetes(deployment, options, context);
  },
  async rollback(name, options, context) {
    const { rollbackKubernetes } = await import('./rollback.ts');
    await rollbackKubernetes(name, options, context);
  },
};
