/** `modelport login` and `logout`: who one is at a registry, kept where Docker keeps it. */
import { Command } from 'commander';

export interface LoginFlags {
  readonly username?: string;
  readonly passwordStdin?: boolean;
  readonly plainHttp?: boolean;
}

export function loginCommand(): Command {
  return new Command('login')
    .summary('say who you are at a registry')
    .description("Asks the registry whether it knows name and password, and keeps them where Docker does: in the credential helper that Docker's config.json names, else in that file.")
    .argument('<registry>', 'its host, as in ghcr.io or localhost:5000')
    .option('-u, --username <name>', 'default: it is asked for')
    .option('--password-stdin', 'read the password or token from standard input')
    .option('--plain-http', 'speak HTTP to a registry that is not this machine')
    .addHelpText(
      'after',
      `
Examples:
  modelport login ghcr.io -u me
  echo $TOKEN | modelport login ghcr.io -u me --password-stdin
`,
    )
    .action(async (registry: string, flags: LoginFlags) => {
      const { runLogin } = await import('./registry/run-login.ts');
      await runLogin(registry, flags);
    });
}

export function logoutCommand(): Command {
  return new Command('logout')
    .summary('forget who you are at a registry')
    .description('Takes name and password of a registry out of the place where `login` put them.')
    .argument('<registry>', 'its host')
    .addHelpText(
      'after',
      `
Examples:
  modelport logout ghcr.io
`,
    )
    .action(async (registry: string) => {
      const { runLogout } = await import('./registry/run-login.ts');
      await runLogout(registry);
    });
}
