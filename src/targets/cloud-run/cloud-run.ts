/** Cloud Run: a Knative Service, which `gcloud run services replace` takes. */
import { ModelportError } from '../../errors.ts';
import { yamlScalar } from '../../lib/yaml-scalar.ts';
import type { Deployment, Target, TargetOptions } from '../../target.ts';
import { deploymentPorts, kubernetesQuantity, writtenBy } from '../../target.ts';

export const cloudRun: Target = {
  name: 'cloud-run',
  summary: 'a Knative Service for Google Cloud Run',
  usesImage: true,
  options: [
    { flags: '--region <name>', description: 'region of Google Cloud', default: 'europe-west1' },
    { flags: '--concurrency <count>', description: 'requests that one replica takes at once', kind: 'integer', default: 80 },
    { flags: '--service-account <address>', description: 'who the service is to Google Cloud' },
  ],
  async render(deployment, options) {
    return [{ path: 'service.yaml', content: service(deployment, options) }];
  },
  applyByHand: (_deployment, options, folder) => `gcloud run services replace ${folder}/service.yaml --region ${String(options['region'])}`,
};

/** https://cloud.google.com/run/docs/reference/yaml/v1 */
function service(deployment: Deployment, options: TargetOptions): string {
  const { name, image, environment, replicas, maximumReplicas, cpuMillicores, memoryBytes, readySeconds, drainSeconds } = deployment;
  // Whole processors above one; below 1 only a single request is taken at once.
  const processors = Math.max(1, Math.ceil(cpuMillicores / 1000));
  if (processors > 8) throw new ModelportError('INVALID_USAGE', `Cloud Run has at most 8 processors a replica, not ${processors}`, { at: '--cpu' });
  const account = options['serviceAccount'];
  return `${writtenBy(deployment, `gcloud run services replace service.yaml --region ${String(options['region'])}`)}apiVersion: serving.knative.dev/v1
kind: Service
metadata:
  name: ${name}
  annotations:
    # Anybody may reach it; \`internal\` keeps it in the project's network. Who may call it is a matter of IAM.
    run.googleapis.com/ingress: all
spec:
  template:
    metadata:
      annotations:
        # 0 costs nothing while nobody asks, and the first one waits for the start.
        autoscaling.knative.dev/minScale: "${replicas}"
        autoscaling.knative.dev/maxScale: "${Math.max(maximumReplicas, replicas)}"
        # Full speed while the models load.
        run.googleapis.com/startup-cpu-boost: "true"
        run.googleapis.com/execution-environment: gen2
    spec:
${account === undefined ? '' : `      serviceAccountName: ${yamlScalar(String(account))}\n`}      containerConcurrency: ${String(options['concurrency'])}
      # Longest request, in seconds.
      timeoutSeconds: 300
      containers:
        - image: ${yamlScalar(image)}
          ports:
            - name: http1
              containerPort: ${deploymentPorts.http}
          env:
            # One port is all there is.
            - name: MODELPORT_GRPC_PORT
              value: "off"
            - name: MODELPORT_METRICS_PORT
              value: "off"
            - name: MODELPORT_LOG_FORMAT
              value: json
            # Cloud Run ends a replica 10 s after it said so.
            - name: MODELPORT_DRAIN_TIMEOUT
              value: ${Math.min(9, drainSeconds)}s
${Object.entries(environment).map(([key, value]) => `            - name: ${yamlScalar(key)}\n              value: ${JSON.stringify(value)}\n`).join('')}          # ${deployment.resourcesReason}
          resources:
            limits:
              cpu: "${processors}"
              memory: ${kubernetesQuantity(memoryBytes)}
          startupProbe:
            httpGet:
              path: /v2/health/ready
              port: ${deploymentPorts.http}
            periodSeconds: 2
            timeoutSeconds: 2
            # Cloud Run waits 240 s at most.
            failureThreshold: ${Math.max(1, Math.min(120, Math.ceil(readySeconds / 2)))}
          livenessProbe:
            httpGet:
              path: /v2/health/live
              port: ${deploymentPorts.http}
            periodSeconds: 10
            timeoutSeconds: 10
            failureThreshold: 6
`;
}
