/**
 * NVIDIA's load generator, from the Python registry. Its wheel wants glibc 2.38: on an older Debian it runs through the loader
 * and libraries of Debian 13, which apt downloads and nothing installs.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastLine, mustRun, runCommand, type CommandResult } from './command.ts';
import { installOnce, type Installed } from './installed.ts';
import { python, pythonPath } from './python.ts';

const release = '2.60.0';
const packages = ['libc6', 'libstdc++6', 'libgcc-s1'];

export const perfAnalyzer: Installed = await (async () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { missing: `perf_analyzer is made for Linux on x86-64, and this is ${process.platform} on ${process.arch}` };
  if (python.missing !== undefined) return python;
  return installOnce('perf-analyzer', `${release}\n${packages.join(' ')}`, async (folder) => {
    await mustRun(pythonPath(), ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', folder, '--platform', 'manylinux_2_38_x86_64', '--only-binary=:all:', `perf-analyzer==${release}`], { timeoutMs: 300_000 });
    const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'))!;
    await mustRun(pythonPath(), ['-m', 'zipfile', '-e', join(folder, wheel), join(folder, 'wheel')]);
    const program = join(folder, 'wheel/perf_analyzer/bin/perf_analyzer');
    chmodSync(program, 0o755);
    const plain = await runCommand(program, ['--version']);
    const command = plain.code === 0 ? [program] : [...(await newerLoader(folder)), program];
    await mustRun(command[0]!, [...command.slice(1), '--version']);
    writeFileSync(join(folder, 'command.json'), JSON.stringify(command));
  });
})();

/** Downloads Debian 13's C library into `folder` and gives the command line that runs a program with it. */
async function newerLoader(folder: string): Promise<string[]> {
  const apt = join(folder, 'apt');
  const files = join(folder, 'debian-13');
  for (const path of ['lists/partial', 'cache/archives/partial']) mkdirSync(join(apt, path), { recursive: true });
  mkdirSync(files);
  const sources = await mustRun('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Component: main']).catch((error: unknown) => {
    throw new Error(`this system's C library is too old for it, and there is no apt-get to fetch a newer one: ${lastLine(error)}`);
  });
  const uri = sources.split('\n').find((line) => /\/debian\/?$/.test(line));
  if (uri === undefined) throw new Error("this system's C library is too old for it, and apt-get knows no Debian archive to fetch a newer one from");
  const list = join(apt, 'sources.list');
  writeFileSync(list, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri} trixie main\n`);
  const options = [`Dir::Etc::sourcelist=${list}`, 'Dir::Etc::sourceparts=/dev/null', `Dir::State::lists=${join(apt, 'lists')}`, `Dir::Cache=${join(apt, 'cache')}`, 'Dir::State::status=/dev/null', 'APT::Sandbox::User=root'].flatMap((option) => ['-o', option]);
  await mustRun('apt-get', [...options, 'update', '-qq'], { timeoutMs: 300_000 });
  await mustRun('apt-get', [...options, 'download', '-qq', ...packages], { cwd: files, timeoutMs: 300_000 });
  for (const name of readdirSync(files).filter((each) => each.endsWith('.deb'))) await mustRun('dpkg-deb', ['-x', join(files, name), files]);
  return [join(files, 'usr/lib64/ld-linux-x86-64.so.2'), '--library-path', join(files, 'usr/lib/x86_64-linux-gnu')];
}

export function runPerfAnalyzer(args: readonly string[], timeoutMs: number): Promise<CommandResult> {
  const [command, ...before] = JSON.parse(readFileSync(join(perfAnalyzer.folder!, 'command.json'), 'utf8')) as [string, ...string[]];
  return runCommand(command, [...before, ...args], { timeoutMs });
}
