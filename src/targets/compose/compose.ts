/** Replicas behind NGINX on one machine, by Docker Compose. */
import type { Deployment, DeploymentFile, Target, TargetOptions } from '../../target.ts';
import { deploymentPorts } from '../../target.ts';
import { composeFiles, defaultProxyImage } from './compose-files.ts';

export const compose: Target = {
  name: 'compose',
  summary: 'replicas behind NGINX on one machine, by Docker Compose',
  usesImage: true,
  options: [
    { flags: '--publish <port>', description: 'port of this machine that answers HTTP', kind: 'integer', default: deploymentPorts.http },
    { flags: '--address <address>', description: 'address of this machine that the port is opened on', default: '127.0.0.1' },
    { flags: '--proxy-image <image>', description: "NGINX's image", default: defaultProxyImage },
  ],
  render,
  applyByHand: (_deployment, _options, folder) => `docker compose --project-directory ${folder} up --detach --wait`,
  async apply(deployment, options, context) {
    const { applyCompose } = await import('./apply.ts');
    await applyCompose(deployment, options, context);
  },
};

async function render(deployment: Deployment, options: TargetOptions): Promise<readonly DeploymentFile[]> {
  return composeFiles(deployment, { command: 'modelport deploy', publish: Number(options['publish']), address: String(options['address']), proxyImage: String(options['proxyImage']) });
}
