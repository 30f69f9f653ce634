/** A service of systemd: models on a machine without containers, shut in as far as systemd can. */
import { ModelportError } from '../../errors.ts';
import type { Deployment, Target, TargetOptions } from '../../target.ts';
import { deploymentPorts, writtenBy } from '../../target.ts';

export const systemd: Target = {
  name: 'systemd',
  summary: 'a unit file for a Linux machine without containers',
  usesImage: false,
  options: [{ flags: '--program <path>', description: 'where modelport lies on that machine', default: '/usr/local/bin/modelport' }],
  async render(deployment, options) {
    return [{ path: `${deployment.name}.service`, content: unit(deployment, options) }];
  },
  applyByHand: ({ name }, _options, folder) => `sudo cp ${folder}/${name}.service /etc/systemd/system/ && sudo systemctl daemon-reload && sudo systemctl enable --now ${name}`,
};

/** Quoting by systemd.syntax(7) and systemd.service(5): percent signs and dollars mean something there. */
function quote(text: string): string {
  if (/[\n\r\0]/.test(text)) throw new ModelportError('INVALID_USAGE', `a unit file can't hold ${JSON.stringify(text)}: it has a line break`);
  const escaped = text.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w./:@=+,-]+$/.test(text) ? text : `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** In `Environment=` dollars mean nothing. */
function quoteVariable(name: string, value: string): string {
  if (/[\n\r\0]/.test(value)) throw new ModelportError('INVALID_USAGE', `a unit file can't hold the value of ${name}: it has a line break`);
  return `"${name}=${value.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function unit(deployment: Deployment, options: TargetOptions): string {
  const { name, paths, environment, drainSeconds, readySeconds, memoryBytes, cpuMillicores } = deployment;
  const relative = paths.find((path) => !path.startsWith('/'));
  if (relative !== undefined) throw new ModelportError('INVALID_USAGE', `a unit needs paths from the root, not '${relative}'`);
  return `${writtenBy(deployment, `Serves models as the service ${name}. sudo systemctl enable --now ${name}; journalctl -u ${name} -f`)}[Unit]
Description=Models served by Modelport (${name})
Wants=network-online.target
After=network-online.target
# Five failed starts in a minute are no hiccup: it stays down and says so.
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=exec
ExecStart=${[String(options['program']), 'serve', ...paths, '--host', '0.0.0.0', '--drain-timeout', `${drainSeconds}s`, '--log-format', 'json'].map(quote).join(' ')}
# Ready when the models are: what is ordered after this unit finds them loaded.
ExecStartPost=/bin/sh -c 'for i in $$(seq ${readySeconds}); do curl -fsS -o /dev/null http://127.0.0.1:${deploymentPorts.http}/v2/health/ready && exit 0; sleep 1; done 2>/dev/null; exit 1'
TimeoutStartSec=${readySeconds + 10}
# SIGTERM: accepted requests are answered before it goes.
KillSignal=SIGTERM
TimeoutStopSec=${drainSeconds + 10}
Restart=on-failure
RestartSec=2
Environment=NODE_ENV=production
# What is fetched or made is kept here, and outlives restarts.
Environment=MODELPORT_CACHE_DIR=/var/cache/${name}
CacheDirectory=${name}
${Object.entries(environment).map(([key, value]) => `Environment=${quoteVariable(key, value)}\n`).join('')}# Keys and other secrets belong there, readable by root only:
#EnvironmentFile=/etc/${name}.env

# ${deployment.resourcesReason}. Above MemoryMax it is killed and started again.
MemoryMax=${memoryBytes}
CPUWeight=${Math.min(10_000, Math.max(1, Math.round(cpuMillicores / 10)))}
TasksMax=512

# It may read its models, write its cache, and speak on the network; nothing else.
DynamicUser=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
LockPersonality=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
# Not MemoryDenyWriteExecute: V8 compiles at run time.

[Install]
WantedBy=multi-user.target
`;
}
