/** `modelport store`: what was made and fetched, and how to be rid of it. */
import { Argument, Command, Option } from 'commander';
import { parseDuration } from './values.ts';

export interface StoreFlags {
  readonly cacheDir?: string;
  readonly json?: boolean;
  /** Milliseconds. */
  readonly olderThan: number;
}

export function storeCommand(): Command {
  return new Command('store')
    .summary('list, name and delete what was made and fetched')
    .description(
      'One folder keeps everything that is made or fetched, by digest, in the layout of an OCI image.\n\nlist prints what has a name and how much room all takes; tag gives content a further name; delete takes names away (* stands for anything); collect frees the room of what no name leads to.',
    )
    .addArgument(new Argument('<action>', 'what to do').choices(['list', 'tag', 'delete', 'collect']))
    .argument('[names...]', 'tag: a name or digest, and the new name; delete: names')
    .addOption(new Option('--cache-dir <folder>', 'the store (default: ~/.cache/modelport)').env('MODELPORT_CACHE_DIR'))
    .addOption(new Option('--older-than <duration>', 'collect: how long nobody touched it').default(3_600_000, '1h').argParser(parseDuration))
    .option('--json', 'list: as JSON')
    .addHelpText(
      'after',
      `
Examples:
  modelport store list
  modelport store delete 'package/pypi/*'
  modelport store collect --older-than 10m
`,
    )
    .action(async (action: string, names: string[], flags: StoreFlags) => {
      const { runStore } = await import('./store/run-store.ts');
      await runStore(action, names, flags);
    });
}
