/** `modelport store`: what was made and fetched, and how to be rid of it. */
import { Command, Option } from 'commander';
import { parseDuration } from './values.ts';

export function storeCommand(): Command {
  const directory = (): Option => new Option('--cache-dir <folder>', 'the store (default: ~/.cache/modelport)').env('MODELPORT_CACHE_DIR');
  const store = new Command('store').summary('list, name and delete what was made and fetched').description('One folder keeps everything that is made or fetched, by digest, in the layout of an OCI image. What no name leads to is garbage.');
  store
    .command('list')
    .summary('names, digests and sizes')
    .description('Prints what has a name, and how much room all takes.')
    .addOption(directory())
    .option('--json', 'as JSON')
    .action(async (flags: StoreFlags) => (await import('./store/run-store.ts')).listStore(flags));
  store
    .command('tag')
    .summary('give content a further name')
    .description('Gives what a name or digest leads to a further name.')
    .argument('<name>', 'a name in the list, or a digest')
    .argument('<new-name>')
    .addOption(directory())
    .action(async (name: string, target: string, flags: StoreFlags) => (await import('./store/run-store.ts')).tagContent(name, target, flags));
  store
    .command('delete')
    .summary('take names away')
    .description('Takes names away. The content goes with the next collection, where no other name leads to it.')
    .argument('<names...>', 'names in the list; * stands for anything')
    .addOption(directory())
    .action(async (names: string[], flags: StoreFlags) => (await import('./store/run-store.ts')).deleteNames(names, flags));
  store
    .command('collect')
    .alias('gc')
    .summary('free the room of what has no name')
    .description('Removes what no name leads to and nobody touched for a while.')
    .option('--older-than <duration>', 'how long nobody touched it, as in 10m', parseDuration, 3_600_000)
    .addOption(directory())
    .action(async (flags: StoreFlags & { readonly olderThan: number }) => (await import('./store/run-store.ts')).collectStore(flags));
  return store;
}

export interface StoreFlags {
  readonly cacheDir?: string;
  readonly json?: boolean;
}
