/** The registry of commands, in the order of the help. Each file defines one; what it needs it imports when it runs. */
import type { Command } from 'commander';
import { benchCommand } from './bench.ts';
import { buildCommand } from './build.ts';
import { ciCommand } from './ci.ts';
import { completionCommand } from './completion.ts';
import { deployCommand } from './deploy.ts';
import { exampleCommand } from './example.ts';
import { importCommand } from './import.ts';
import { initCommand } from './init.ts';
import { inspectCommand } from './inspect.ts';
import { loginCommand, logoutCommand } from './login.ts';
import { predictCommand } from './predict.ts';
import { pullCommand } from './pull.ts';
import { pushCommand } from './push.ts';
import { serveCommand } from './serve.ts';
import { storeCommand } from './store.ts';
import { testCommand } from './test.ts';
import { typesCommand } from './types.ts';

export const commands: readonly (() => Command)[] = [serveCommand, inspectCommand, importCommand, predictCommand, benchCommand, testCommand, buildCommand, pushCommand, pullCommand, deployCommand, ciCommand, loginCommand, logoutCommand, storeCommand, initCommand, exampleCommand, typesCommand, completionCommand];
