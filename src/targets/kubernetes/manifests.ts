/** The manifests, one kind a file, with comments for who will own them. */
import type { Deployment } from '../../target.ts';
import { deploymentPorts } from '../../target.ts';
import type { KubernetesOptions } from './options.ts';
import { conditions, quietSeconds, type Condition, type Values } from './values.ts';

export interface Manifest {
  readonly path: string;
  /** What it is, one line. */
  readonly what: string;
  readonly content: string;
  /** What it is there for; undefined: always. */
  readonly condition?: Condition;
}

/** Those that the deployment wants; all of them where a chart decides later. */
export function manifests(deployment: Deployment, options: KubernetesOptions, values: Values, all = false): readonly Manifest[] {
  const wanted = conditions(deployment, options);
  const made: readonly Manifest[] = [
    { path: 'deployment.yaml', what: 'The replicas: how a pod is started, watched and ended.', content: deploymentManifest(deployment, values) },
    { path: 'service.yaml', what: 'One address for all replicas.', content: serviceManifest(values) },
    { path: 'autoscaler.yaml', what: 'How many replicas there are, by how busy they are.', content: autoscalerManifest(values), condition: 'scales' },
    { path: 'disruption-budget.yaml', what: 'Nodes are drained one replica at a time.', content: disruptionBudgetManifest(values), condition: 'disruptionBudget' },
    { path: 'network-policy.yaml', what: 'Who may call the replicas, and whom they may call.', content: networkPolicyManifest(values) },
    { path: 'ingress.yaml', what: 'The way in from outside.', content: ingressManifest(values), condition: 'ingress' },
    { path: 'http-route.yaml', what: 'The way in from outside, by the Gateway API.', content: httpRouteManifest(values), condition: 'gateway' },
    { path: 'service-monitor.yaml', what: 'Where Prometheus reads metrics. Needs the Prometheus operator.', content: serviceMonitorManifest(values), condition: 'serviceMonitor' },
  ];
  return made.filter(({ condition }) => all || condition === undefined || wanted[condition]);
}

function labels(values: Values, indent: string): string {
  return [`app.kubernetes.io/name: ${values.name}`, `app.kubernetes.io/version: ${values.version}`, `app.kubernetes.io/managed-by: ${values.managedBy}`].map((line) => `${indent}${line}\n`).join('');
}

function head(apiVersion: string, kind: string, values: Values): string {
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata:\n  name: ${values.name}\n${values.namespaceLine}  labels:\n${labels(values, '    ')}`;
}

function deploymentManifest(deployment: Deployment, values: Values): string {
  return `${head('apps/v1', 'Deployment', values)}spec:
${values.when('scales', '  # No replicas here: the autoscaler decides, and a number would be set back with every change.\n', `  replicas: ${values.replicas}\n`)}  selector:
    matchLabels:
      app.kubernetes.io/name: ${values.name}
  # A new version comes up beside the old one; a replica leaves only when another is ready.
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
  # A version that is not ready by then counts as failed.
  progressDeadlineSeconds: ${values.readySeconds}
  revisionHistoryLimit: 5
  template:
    metadata:
      labels:
${labels(values, '        ')}    spec:
      # Models don't talk to the cluster.
      automountServiceAccountToken: false
      # Variables such as MODELPORT_PORT, which a Service of that name makes, would be read as settings.
      enableServiceLinks: false
${values.when('pullSecret', `      imagePullSecrets:\n        - name: ${values.pullSecret}\n`)}      securityContext:
        runAsNonRoot: true
        runAsUser: 65532
        runAsGroup: 65532
        seccompProfile:
          type: RuntimeDefault
      # ${quietSeconds} s in which traffic goes elsewhere, then accepted requests are answered, then the end.
      terminationGracePeriodSeconds: ${values.gracePeriodSeconds}
      # On different nodes and zones where there are such.
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: ${values.name}
        - maxSkew: 1
          topologyKey: topology.kubernetes.io/zone
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              app.kubernetes.io/name: ${values.name}
      containers:
        - name: models
          image: ${values.image}
          imagePullPolicy: IfNotPresent
${values.when('modelsImage', `          args: [serve, "/mnt/models-image${values.modelsPath}"]\n`)}          env:
            - name: MODELPORT_LOG_FORMAT
              value: json
            - name: MODELPORT_DRAIN_TIMEOUT
              value: ${values.drainSeconds}s
${values.when('apiKey', '            - name: MODELPORT_API_KEY_FILE\n              value: /run/secrets/modelport/keys\n')}${values.environment}          ports:
            - name: http
              containerPort: ${deploymentPorts.http}
            - name: grpc
              containerPort: ${deploymentPorts.grpc}
            - name: metrics
              containerPort: ${deploymentPorts.metrics}
          # Ready as soon as the models are loaded and warm; the other two wait for it.
          startupProbe:
            httpGet:
              path: /v2/health/ready
              port: http
            periodSeconds: 1
            timeoutSeconds: 5
            failureThreshold: ${values.readySeconds}
          readinessProbe:
            httpGet:
              path: /v2/health/ready
              port: http
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          # Patient: a busy replica is no dead one.
          livenessProbe:
            httpGet:
              path: /v2/health/live
              port: http
            periodSeconds: 10
            timeoutSeconds: 10
            failureThreshold: 6
          lifecycle:
            # Kubernetes takes a pod out of traffic and ends it at the same time. This lets the first come first. (Kubernetes 1.30 and newer.)
            preStop:
              sleep:
                seconds: ${quietSeconds}
          # ${deployment.resourcesReason}. No limit for CPU: throttling shows as latency.
          resources:
            requests:
              cpu: ${values.cpu}
              memory: ${values.memory}
            limits:
              memory: ${values.memory}
          securityContext:
            allowPrivilegeEscalation: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          volumeMounts:
            - name: scratch
              mountPath: /tmp
${values.when('modelsImage', '            - name: models\n              mountPath: /mnt/models-image\n              readOnly: true\n')}${values.when('apiKey', '            - name: api-keys\n              mountPath: /run/secrets/modelport\n              readOnly: true\n')}      volumes:
        # The root can't be written; imports and downloads go here and vanish with the pod.
        - name: scratch
          emptyDir:
            sizeLimit: 2Gi
${values.when('modelsImage', `        # Models are an image of their own: they change without the server, and the server without them.\n        - name: models\n          image:\n            reference: ${values.modelsImage}\n            pullPolicy: IfNotPresent\n`)}${values.when('apiKey', `        - name: api-keys\n          secret:\n            secretName: ${values.apiKeySecret}\n`)}`;
}

function serviceManifest(values: Values): string {
  return `${head('v1', 'Service', values)}spec:
  selector:
    app.kubernetes.io/name: ${values.name}
  ports:
    - name: http
      port: 80
      targetPort: http
      appProtocol: http
    # gRPC keeps one connection: a client behind a plain Service stays with one replica. Balance in the client (dns:///, round_robin) or with a mesh.
    - name: grpc
      port: ${deploymentPorts.grpc}
      targetPort: grpc
      appProtocol: kubernetes.io/h2c
    - name: metrics
      port: ${deploymentPorts.metrics}
      targetPort: metrics
`;
}

function autoscalerManifest(values: Values): string {
  return `${head('autoscaling/v2', 'HorizontalPodAutoscaler', values)}spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: ${values.name}
  minReplicas: ${values.replicas}
  maxReplicas: ${values.maximumReplicas}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: ${values.cpuUtilizationPercent}
  behavior:
    # Up at once, at most doubled every 15 s; down one by one after five quiet minutes.
    scaleUp:
      stabilizationWindowSeconds: 0
      policies:
        - type: Percent
          value: 100
          periodSeconds: 15
        - type: Pods
          value: 4
          periodSeconds: 15
      selectPolicy: Max
    scaleDown:
      stabilizationWindowSeconds: 300
      policies:
        - type: Pods
          value: 1
          periodSeconds: 60
`;
}

function disruptionBudgetManifest(values: Values): string {
  return `${head('policy/v1', 'PodDisruptionBudget', values)}spec:
  maxUnavailable: 1
  # Replicas that are broken anyway don't keep a node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      app.kubernetes.io/name: ${values.name}
`;
}

function networkPolicyManifest(values: Values): string {
  return `${head('networking.k8s.io/v1', 'NetworkPolicy', values)}spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: ${values.name}
  policyTypes: [Ingress, Egress]
  ingress:
    # Anybody in the cluster may ask models. Add a \`from\` to say who.
    - ports:
        - port: http
        - port: grpc
    # Metrics are for monitoring alone.
    - from:
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: ${values.monitoringNamespace}
      ports:
        - port: metrics
  egress:
${values.when('egress', '    # Anywhere.\n    - {}\n', `    # Names only: models that lie in the image need nothing from outside.
    - ports:
        - port: 53
          protocol: UDP
        - port: 53
          protocol: TCP
`)}`;
}

function ingressManifest(values: Values): string {
  return `${head('networking.k8s.io/v1', 'Ingress', values)}spec:
  ingressClassName: ${values.ingressClass}
${values.when('tls', `  tls:\n    - hosts: [${values.publicHost}]\n      secretName: ${values.tlsSecret}\n`)}  rules:
    - host: ${values.publicHost}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: ${values.name}
                port:
                  name: http
`;
}

function httpRouteManifest(values: Values): string {
  return `${head('gateway.networking.k8s.io/v1', 'HTTPRoute', values)}spec:
  parentRefs:
    - name: ${values.gatewayName}
${values.gatewayNamespaceLine}  hostnames:
    - ${values.publicHost}
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: /
      backendRefs:
        - name: ${values.name}
          port: 80
`;
}

function serviceMonitorManifest(values: Values): string {
  return `${head('monitoring.coreos.com/v1', 'ServiceMonitor', values)}spec:
  selector:
    matchLabels:
      app.kubernetes.io/name: ${values.name}
  endpoints:
    - port: metrics
      path: /metrics
      interval: 15s
`;
}
