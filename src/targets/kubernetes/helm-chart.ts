/** The same manifests as a Helm chart: what a deployment may choose is in values.yaml, checked by values.schema.json. */
import { yamlScalar } from '../../lib/yaml-scalar.ts';
import type { Deployment, DeploymentFile } from '../../target.ts';
import { kubernetesQuantity, writtenBy } from '../../target.ts';
import { version } from '../../version.ts';
import { manifests } from './manifests.ts';
import type { KubernetesOptions } from './options.ts';
import { cpuQuantity, quietSeconds, versionLabel, type Condition, type Values } from './values.ts';

export function helmChart(deployment: Deployment, options: KubernetesOptions): readonly DeploymentFile[] {
  return [
    { path: 'Chart.yaml', content: chart(deployment) },
    { path: 'values.yaml', content: valuesFile(deployment, options) },
    { path: 'values.schema.json', content: `${JSON.stringify(schema, undefined, 2)}\n` },
    ...manifests(deployment, options, templateValues(), true).map(({ path, what, content, condition }) => ({
      path: `templates/${path}`,
      content: condition === undefined ? `# ${what}\n${content}` : `{{- if ${tests[condition]} }}\n# ${what}\n${content}{{- end }}\n`,
    })),
    { path: 'templates/NOTES.txt', content: notes() },
  ];
}

const tests: Readonly<Record<Condition, string>> = {
  scales: 'gt (int .Values.autoscaling.maxReplicas) (int .Values.replicas)',
  disruptionBudget: 'gt (int .Values.replicas) 1',
  ingress: '.Values.ingress.className',
  tls: '.Values.ingress.tlsSecret',
  gateway: '.Values.gateway.name',
  serviceMonitor: '.Values.monitoring.serviceMonitor',
  pullSecret: '.Values.pullSecret',
  apiKey: '.Values.apiKeySecret',
  modelsImage: '.Values.modelsImage',
  egress: '.Values.allowEgress',
};

function templateValues(): Values {
  return {
    name: '{{ .Release.Name }}',
    namespaceLine: '',
    image: '{{ .Values.image | quote }}',
    version: '{{ .Chart.AppVersion | quote }}',
    replicas: '{{ .Values.replicas }}',
    maximumReplicas: '{{ .Values.autoscaling.maxReplicas }}',
    cpuUtilizationPercent: '{{ .Values.autoscaling.cpuUtilization }}',
    cpu: '{{ .Values.resources.cpu | quote }}',
    memory: '{{ .Values.resources.memory | quote }}',
    readySeconds: '{{ .Values.readySeconds }}',
    drainSeconds: '{{ .Values.drainSeconds }}',
    gracePeriodSeconds: `{{ add ${quietSeconds} .Values.drainSeconds 5 }}`,
    publicHost: '{{ required "publicHost: the name under which the world reaches it" .Values.publicHost | quote }}',
    ingressClass: '{{ .Values.ingress.className | quote }}',
    tlsSecret: '{{ .Values.ingress.tlsSecret | quote }}',
    pullSecret: '{{ .Values.pullSecret | quote }}',
    apiKeySecret: '{{ .Values.apiKeySecret | quote }}',
    modelsImage: '{{ .Values.modelsImage | quote }}',
    modelsPath: '{{ with .Values.modelsPath }}/{{ . }}{{ end }}',
    gatewayName: '{{ .Values.gateway.name | quote }}',
    gatewayNamespaceLine: '{{- with .Values.gateway.namespace }}\n      namespace: {{ . | quote }}\n{{- end }}\n',
    monitoringNamespace: '{{ .Values.monitoring.namespace | quote }}',
    environment: '{{- range $name, $value := .Values.environment }}\n            - name: {{ $name }}\n              value: {{ $value | quote }}\n{{- end }}\n',
    managedBy: '{{ .Release.Service }}',
    when: (what, lines, otherwise = '') => `{{- if ${tests[what]} }}\n${lines}${otherwise === '' ? '' : `{{- else }}\n${otherwise}`}{{- end }}\n`,
  };
}

function chart(deployment: Deployment): string {
  return `${writtenBy(deployment, `helm upgrade --install ${deployment.name} . --namespace …`)}apiVersion: v2
name: ${deployment.name}
description: ${yamlScalar(deployment.models.length === 0 ? 'Models served by Modelport.' : `Serves ${deployment.models.map(({ name }) => name).slice(0, 8).join(', ')}.`)}
type: application
# Of the chart.
version: ${version}
# Of what it runs: the image's tag.
appVersion: ${JSON.stringify(versionLabel(deployment.image))}
kubeVersion: ">=1.30.0-0"
`;
}

function valuesFile(deployment: Deployment, options: KubernetesOptions): string {
  const text = (value: string | undefined): string => (value === undefined ? '""' : yamlScalar(value));
  const variables = Object.entries(deployment.environment);
  return `${writtenBy(deployment, 'What an installation may choose. helm upgrade … --set replicas=3')}# Better with its digest, as in ghcr.io/me/app:2@sha256:…
image: ${yamlScalar(deployment.image)}
# Name of a secret with the registry's login.
pullSecret: ${text(options.pullSecret)}
# Models from an image of their own (an OCI volume); empty: they lie in the image above.
modelsImage: ${text(options.modelsImage)}
# Where models lie in that image.
modelsPath: ${text(options.modelsPath)}

# There are always so many.
replicas: ${deployment.replicas}
autoscaling:
  # Above \`replicas\`: an autoscaler decides.
  maxReplicas: ${deployment.maximumReplicas}
  # Percent of the promised CPU, on average.
  cpuUtilization: ${options.cpuUtilizationPercent}

# ${deployment.resourcesReason}
resources:
  cpu: ${cpuQuantity(deployment.cpuMillicores)}
  # Promised, and the limit.
  memory: ${kubernetesQuantity(deployment.memoryBytes)}

# Seconds from the start until models are loaded; after that a version counts as failed.
readySeconds: ${deployment.readySeconds}
# Seconds that accepted requests get at the end.
drainSeconds: ${deployment.drainSeconds}

# Name of a secret whose entry "keys" holds API keys, one a line; empty: no key is asked for.
apiKeySecret: ${text(options.apiKeySecret)}
# Further variables of the environment.
environment:${variables.length === 0 ? ' {}\n' : `\n${variables.map(([key, value]) => `  ${yamlScalar(key)}: ${JSON.stringify(value)}\n`).join('')}`}
# The name under which the world reaches it, by an Ingress or a Gateway.
publicHost: ${text(deployment.publicHost)}
ingress:
  # As nginx; empty: no Ingress.
  className: ${text(options.ingressClass)}
  tlsSecret: ${text(options.tlsSecret)}
gateway:
  # Empty: no HTTPRoute.
  name: ${text(options.gateway?.name)}
  namespace: ${text(options.gateway?.namespace)}

# Whether pods may call other hosts.
allowEgress: ${options.allowEgress}
monitoring:
  # Pods of this namespace may read metrics.
  namespace: ${options.monitoringNamespace}
  # Needs the Prometheus operator.
  serviceMonitor: ${options.serviceMonitor}
`;
}

const text = { type: 'string' } as const;
const quantity = { type: ['string', 'number'] } as const;
const positive = { type: 'integer', minimum: 1 } as const;
function object(properties: Readonly<Record<string, object>>, required: readonly string[] = []): object {
  return { type: 'object', additionalProperties: false, required, properties };
}

/** Helm reads draft 7. */
const schema = {
  $schema: 'http://json-schema.org/draft-07/schema#',
  ...object(
    {
      image: { type: 'string', minLength: 1 },
      pullSecret: text,
      modelsImage: text,
      modelsPath: { type: 'string', pattern: '^([A-Za-z0-9_.@+-]+(/[A-Za-z0-9_.@+-]+)*)?$' },
      replicas: positive,
      autoscaling: object({ maxReplicas: positive, cpuUtilization: positive }, ['maxReplicas', 'cpuUtilization']),
      resources: object({ cpu: quantity, memory: quantity }, ['cpu', 'memory']),
      readySeconds: positive,
      drainSeconds: { type: 'integer', minimum: 0 },
      apiKeySecret: text,
      environment: { type: 'object', additionalProperties: { type: 'string' } },
      publicHost: text,
      ingress: object({ className: text, tlsSecret: text }),
      gateway: object({ name: text, namespace: text }),
      allowEgress: { type: 'boolean' },
      monitoring: object({ namespace: text, serviceMonitor: { type: 'boolean' } }),
      global: { type: 'object' },
    },
    ['image', 'replicas', 'autoscaling', 'resources', 'readySeconds', 'drainSeconds'],
  ),
};

function notes(): string {
  return `{{ .Release.Name }} comes up. When it is there:

  kubectl --namespace {{ .Release.Namespace }} rollout status deployment/{{ .Release.Name }}
  kubectl --namespace {{ .Release.Namespace }} port-forward service/{{ .Release.Name }} 8000:80

and open http://127.0.0.1:8000 : the page of its models.
`;
}
