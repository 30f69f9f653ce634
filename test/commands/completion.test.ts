/** Completion in real shells; those that are not installed are skipped and counted. And the page that is made of the same definitions. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commandLineDocumentation } from '../../src/commands/command-line-documentation.ts';
import { createProgram } from '../../src/commands/program.ts';
import { root, runModelport } from '../start-modelport.ts';

const installed = (shell: string): boolean => spawnSync(shell, ['-c', 'exit 0']).status === 0;

let folder: string;
const script = (shell: string): string => join(folder, `completion.${shell}`);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'modelport-completion-'));
  mkdirSync(join(folder, 'models dir'));
  mkdirSync(join(folder, 'more'));
  writeFileSync(join(folder, 'model.onnx'), '');
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await runModelport(['completion', shell]);
    expect(code).toBe(0);
    writeFileSync(script(shell), stdout);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const commandNames = ['serve', 'inspect', 'import', 'predict', 'bench', 'test', 'build', 'push', 'pull', 'deploy', 'ci', 'login', 'logout', 'store', 'init', 'example', 'types', 'completion', 'help'];

describe.skipIf(!installed('bash'))('bash', () => {
  /** What is offered for the last of the words, as readline splits them. */
  const complete = (...words: string[]): string[] => {
    const code = `source "$1"; shift; COMP_WORDS=(modelport "$@"); COMP_CWORD=$#; _modelport; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['--norc', '-c', code, 'bash', script('bash'), ...words], { cwd: folder, encoding: 'utf8' }).split('\n').filter((line) => line !== '');
  };

  it('is registered for the command', () => {
    expect(execFileSync('bash', ['--norc', '-c', `source "$1"; complete -p modelport`, 'bash', script('bash')], { encoding: 'utf8' })).toContain('_modelport modelport');
  });

  it('offers commands and flags', () => {
    expect(complete('').filter((word) => commandNames.includes(word))).toEqual(commandNames);
    expect(complete('se')).toEqual(['serve']);
    expect(complete('--v')).toEqual(['--version']);
    expect(complete('help', 'in')).toContain('inspect');
    expect(complete('serve', '--grpc')).toEqual(['--grpc-port']);
    expect(complete('serve', 'model.onnx', '--drain')).toEqual(['--drain-timeout']);
    expect(complete('inspect', '--')).toEqual(['--json', '--help']);
  });

  it('offers choices, with a blank or =', () => {
    expect(complete('serve', '--log-format', '')).toEqual(['text', 'json']);
    expect(complete('serve', '--log-format', '=', 'j')).toEqual(['json']);
    expect(complete('serve', '--model-control-mode', '=')).toEqual(['none', 'explicit', 'poll']);
    expect(complete('bench', 'http://x', '--arrivals', 'p')).toEqual(['poisson']);
    expect(complete('completion', '')).toEqual(['bash', 'zsh', 'fish']);
  });

  it('offers files and folders where these stand, blanks and all', () => {
    expect(complete('serve', 'mo').sort()).toEqual(['model.onnx', 'models dir', 'more']);
    expect(complete('serve', '--cache-dir', 'mo').sort()).toEqual(['models dir', 'more']);
    expect(complete('predict', '-o', 'model.')).toEqual(['model.onnx']);
    expect(complete('bench', 'mo')).toEqual([]);
    expect(complete('serve', '--port', 'mo')).toEqual([]);
  });
});

describe.skipIf(!installed('zsh'))('zsh', () => {
  it('is a script that zsh reads and registers', () => {
    execFileSync('zsh', ['-n', script('zsh')]);
    const code = `autoload -Uz compinit; compinit -u -D; source ${script('zsh')}; print -r -- $_comps[modelport]`;
    expect(execFileSync('zsh', ['-f', '-c', code], { cwd: folder, encoding: 'utf8' }).trim()).toBe('_modelport');
  });
});

describe.skipIf(!installed('fish'))('fish', () => {
  const complete = (line: string): string[] =>
    execFileSync('fish', ['--no-config', '-c', `source ${script('fish')}; complete -C "${line}"`], { cwd: folder, encoding: 'utf8' }).split('\n').filter((each) => each !== '').map((each) => each.split('\t')[0]!);

  it('offers commands, flags, choices and files', () => {
    expect(complete('modelport se')).toEqual(['serve']);
    expect(complete('modelport bench --arr')).toEqual(['--arrivals']);
    expect(complete('modelport serve --log-format ')).toEqual(['json', 'text']);
    expect(complete('modelport serve model.')).toEqual(['model.onnx']);
  });
});

it('every shell is told of every command and flag', () => {
  const program = createProgram();
  const scripts = ['bash', 'zsh', 'fish'].map((shell) => readFileSync(script(shell), 'utf8'));
  expect(program.commands.map((command) => command.name())).toEqual(commandNames.filter((name) => name !== 'help'));
  for (const command of program.commands) {
    for (const option of command.options) for (const text of scripts) expect(text).toMatch(new RegExp(`(--|-l )${option.long!.slice(2)}\\b`));
  }
});

it('an unknown shell is told which there are', async () => {
  const { code, stderr } = await runModelport(['completion', 'tcsh']);
  expect([code, stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')]);
});

describe('help', () => {
  it('of every command fits 80 columns, has examples, and runs no command', async () => {
    for (const name of ['', ...createProgram().commands.map((command) => command.name())]) {
      const { code, stdout } = await runModelport([...(name === '' ? [] : [name]), '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain('Examples:');
      expect(stdout).not.toContain('\u001b');
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    }
  });

  it('docs/cli.md is what the definitions say', () => {
    expect(readFileSync(join(root, 'docs/cli.md'), 'utf8'), 'run npm run docs:cli').toBe(commandLineDocumentation(createProgram()));
  });

  it('the examples of the help are command lines that parse', () => {
    for (const command of createProgram().commands) {
      const page = commandLineDocumentation(createProgram());
      const section = page.split(/^## /m).find((part) => part.startsWith(`modelport ${command.name()}\n`))!;
      const examples = /```sh\n([\s\S]*?)```/.exec(section)![1]!.split('\n').filter((line) => line.startsWith('modelport '));
      for (const example of examples) {
        const words = [...example.replace(/ [>|#].*$/, '').matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);
        const program = createProgram();
        const parsed = program.commands.find((each) => each.name() === words[1])!;
        expect(() => parsed.exitOverride().configureOutput({ writeErr: () => {} }).action(() => {}).parse(words.slice(2), { from: 'user' }), example).not.toThrow();
      }
    }
  });
});
