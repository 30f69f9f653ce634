/** `--apply`: the container is made, then takes the place of the one that runs, which comes back where the new one does not get ready. */
import { execFile, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ModelportError } from '../../errors.ts';
import { answersOk } from '../../lib/answers-ok.ts';
import type { ApplyContext, Deployment, TargetOptions } from '../../target.ts';
import { containerArguments, earlierName, nextName, readyUrl } from './container.ts';

const run = promisify(execFile);

export async function applyContainer(deployment: Deployment, options: TargetOptions, context: ApplyContext): Promise<void> {
  const { name, image, readySeconds } = deployment;
  const engine = new Engine(String(options['engine']), context);
  const next = nextName(name);
  const earlier = earlierName(name);
  // Whatever a run left that was interrupted.
  await engine.remove(next);
  await engine.call('create', ...containerArguments(deployment, options, next));
  try {
    if (await engine.has(name)) {
      await engine.remove(earlier);
      context.note(`The container ${name} that is there is stopped; its requests are answered first`);
      await engine.call('stop', name);
      await engine.call('rename', name, earlier);
    }
    await engine.call('rename', next, name);
  } catch (cause) {
    await engine.remove(next);
    throw cause;
  }
  const url = readyUrl(options);
  const before = await engine.imageOf(earlier);
  try {
    await engine.call('start', name);
    context.note(`${name} starts; waiting until it is ready`);
    if (!(await engine.getsReady(name, url, readySeconds))) throw new ModelportError('RUN_FAILED', `${image} does not get ready. Its last words:\n${await engine.call('logs', '--tail', '20', name)}`);
  } catch (error) {
    if (context.signal?.aborted === true) throw error;
    await engine.remove(name);
    const message = (error as Error).message;
    if (before === undefined) throw new ModelportError('RUN_FAILED', message, { cause: error });
    await engine.call('rename', earlier, name);
    await engine.call('start', name);
    const back = await engine.getsReady(name, before.url ?? url, readySeconds);
    throw new ModelportError('RUN_FAILED', `${message}\nGone back to ${before.image}, which ${back ? 'serves as before' : 'is started again, and does not answer yet'}`, { cause: error });
  }
  await engine.remove(earlier);
  context.note(`${name} is ready at ${new URL('/', url).href}`);
}

/** Docker's command line, or podman's. */
class Engine {
  readonly #program: string;
  readonly #context: ApplyContext;

  /** Throws `INVALID_USAGE` where there is no such program. */
  constructor(program: string, context: ApplyContext) {
    if (spawnSync(program, ['--version'], { stdio: 'ignore', env: context.environment }).error !== undefined) throw new ModelportError('INVALID_USAGE', `there is no ${program} on this machine: install it, or choose another with --engine`);
    this.#program = program;
    this.#context = context;
  }

  /** What it printed. Throws `RUN_FAILED` with what it said. */
  async call(...args: string[]): Promise<string> {
    const { environment, signal } = this.#context;
    try {
      const { stdout, stderr } = await run(this.#program, args, { env: environment, ...(signal === undefined ? {} : { signal }), maxBuffer: 8 << 20 });
      return `${stdout}${args[0] === 'logs' ? stderr : ''}`.trim();
    } catch (cause) {
      throw new ModelportError('RUN_FAILED', `${this.#program} ${args[0]}: ${clean((cause as { stderr?: string }).stderr ?? (cause as Error).message)}`, { cause });
    }
  }

  async has(name: string): Promise<boolean> {
    return (await this.call('ps', '--all', '--filter', `name=^${name}$`, '--format', '{{.ID}}')) !== '';
  }

  async remove(name: string): Promise<void> {
    if (await this.has(name)) await this.call('rm', '--force', name);
  }

  /** Of a container that is there; `url` where it publishes a port. */
  async imageOf(name: string): Promise<{ readonly image: string; readonly url: string | undefined } | undefined> {
    if (!(await this.has(name))) return undefined;
    const [image = '', bindings = ''] = (await this.call('inspect', '--format', '{{.Config.Image}} {{json .HostConfig.PortBindings}}', name)).split(/ (.*)/s);
    const [binding] = Object.values((JSON.parse(bindings) ?? {}) as Record<string, { HostIp?: string; HostPort: string }[]>).flat();
    return { image, url: binding === undefined ? undefined : readyUrl({ address: binding.HostIp === undefined || binding.HostIp === '' ? '0.0.0.0' : binding.HostIp, publish: binding.HostPort }) };
  }

  /** Gives up before the time is over where it ends, or is started again and again. */
  async getsReady(name: string, url: string, seconds: number): Promise<boolean> {
    for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs; await sleep(200)) {
      this.#context.signal?.throwIfAborted();
      if (await answersOk(url, 5000)) return true;
      const [running, restarts] = (await this.call('inspect', '--format', '{{.State.Running}} {{.RestartCount}}', name)).split(' ');
      if (running === 'false' || Number(restarts) > 2) return false;
    }
    return false;
  }
}

/** Without the advice to look at help, and with the cause alone where Docker says its own name before it. */
function clean(text: string): string {
  return text.replaceAll(/^Run '\w+ [\w-]+ --help' for more information$/gm, '').replaceAll(/^(?:docker: )?Error response from daemon: /gm, '').trim().slice(0, 1000);
}
