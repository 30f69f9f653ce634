/**
 * Where deployments go. A target makes files of a deployment, for people to own; some can put them in force, too. Rendering is pure: equal
 * deployments and options give equal files, and nothing is looked up, so that files can be compared in a review.
 */
import { ModelportError } from './errors.ts';

/** What is to run. Plain data; every target reads the same. */
export interface Deployment {
  /** A DNS label (RFC 1123) of at most 50 characters: names of what is made begin with it. */
  readonly name: string;
  /** Reference of the image that holds or runs the models: `ghcr.io/me/digits:2`, better with its digest. */
  readonly image: string;
  /** Paths on the target machine where no image is used (systemd). */
  readonly paths: readonly string[];
  /** What is known of the models; empty where nobody said. For comments and checks. */
  readonly models: readonly { readonly name: string; readonly version: string }[];
  readonly environment: Readonly<Record<string, string>>;
  /** Replicas that there are always. */
  readonly replicas: number;
  /** Replicas that there may be under load; the same as `replicas` where nothing scales. */
  readonly maximumReplicas: number;
  /** Thousandths of a core that a replica is promised. */
  readonly cpuMillicores: number;
  /** What a replica is promised and may have at most. */
  readonly memoryBytes: number;
  /** How the two figures above were found, one clause: `measured with …`, `given`. */
  readonly resourcesReason: string;
  /** How long accepted requests may take once a replica is told to go. */
  readonly drainSeconds: number;
  /** How long a replica may take from its start until it is ready. */
  readonly readySeconds: number;
  /** The public name under which it is reached; undefined where it has none. */
  readonly publicHost: string | undefined;
}

export interface DeploymentFile {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly content: string;
}

export type TargetOptionValue = string | number | boolean | readonly string[] | undefined;
/** By the names that flags have in camel case: `--service-monitor` is `serviceMonitor`. */
export type TargetOptions = Readonly<Record<string, TargetOptionValue>>;

/** A flag of `modelport deploy` that one or several targets take. */
export interface TargetOption {
  /** As commander writes it: `--namespace <name>`. */
  readonly flags: string;
  readonly description: string;
  readonly choices?: readonly string[];
  readonly default?: string | number | boolean;
  readonly kind?: 'integer' | 'list';
}

/** What {@link Target.apply} tells while it works. */
export interface ApplyContext {
  readonly environment: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Where the files were written; undefined where nobody wanted them. */
  readonly folder?: string;
  /** One sentence on what was done or is waited for. */
  note(sentence: string): void;
}

export interface Target {
  /** `kubernetes` */
  readonly name: string;
  readonly summary: string;
  readonly options: readonly TargetOption[];
  /** Whether it runs a container image; where not, it runs `deployment.paths`. */
  readonly usesImage: boolean;
  /** Throws `INVALID_USAGE` where options contradict each other. */
  render(deployment: Deployment, options: TargetOptions): Promise<readonly DeploymentFile[]>;
  /** What to type to put the files of a folder in force, for targets and people that do it by hand. */
  applyByHand(deployment: Deployment, options: TargetOptions, folder: string): string;
  /** Puts the deployment in force and resolves when it serves. Throws what went wrong. Absent where only files are written. */
  apply?(deployment: Deployment, options: TargetOptions, context: ApplyContext): Promise<void>;
  /** What `apply` would change, as text; empty where nothing. */
  difference?(deployment: Deployment, options: TargetOptions, context: ApplyContext): Promise<string>;
  /** Goes back to what was before the last change. */
  rollback?(name: string, options: TargetOptions, context: ApplyContext): Promise<void>;
}

/** Throws `INVALID_USAGE` where the name can't be that of things in clusters, hosts and units. */
export function checkDeploymentName(name: string): string {
  if (!/^[a-z](?:[a-z0-9-]{0,48}[a-z0-9])?$/.test(name)) {
    throw new ModelportError('INVALID_USAGE', `'${name}' can't be the name of a deployment: write up to 50 small letters, digits and hyphens that begin with a letter (--name)`, { at: '--name' });
  }
  return name;
}

/** What a deployment is called after an image's or a folder's name; `models` where nothing of it can stay. */
export function deploymentNameAfter(text: string): string {
  const name = text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replace(/^[^a-z]+/, '').slice(0, 50).replace(/-+$/, '');
  return checkDeploymentName(name === '' ? 'models' : name);
}

/** The ports that images expose. */
export const deploymentPorts = { http: 8000, grpc: 8001, metrics: 8002 } as const;

/** `ghcr.io/me/app:2@sha256:…` in parts. */
export function splitImage(image: string): { readonly repository: string; readonly tag: string | undefined; readonly digest: string | undefined } {
  const match = /^(.+?)(?::([\w][\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/.exec(image);
  if (match === null || !/^[\w][\w./:-]*$/.test(match[1]!)) throw new ModelportError('INVALID_USAGE', `'${image}' is no reference of an image: write it like ghcr.io/me/app:1`, { at: '--image' });
  return { repository: match[1]!, tag: match[2], digest: match[3] };
}

/** What a person reads first in every file, as comments that begin with `#`. `command`: what writes it. */
export function writtenBy(deployment: Deployment, what: string, command = 'modelport deploy'): string {
  const served = deployment.models.map(({ name, version }) => `${name} ${version}`);
  const lines = [what, ...(served.length === 0 ? [] : [`It serves ${served.slice(0, 8).join(', ')}${served.length > 8 ? ` and ${served.length - 8} more` : ''}.`]), `Written by \`${command}\`; it is yours now.`];
  return lines.map((line) => `# ${line}\n`).join('');
}

/** `512Mi` where it is even, else bytes. */
export function kubernetesQuantity(bytes: number): string {
  return bytes % 2 ** 30 === 0 ? `${bytes / 2 ** 30}Gi` : bytes % 2 ** 20 === 0 ? `${bytes / 2 ** 20}Mi` : String(bytes);
}

/** What Docker calls a container's part of the processors where they are short: 1024 for a core. */
export function cpuShares({ cpuMillicores }: Deployment): number {
  return Math.max(2, Math.round((cpuMillicores * 1024) / 1000));
}
