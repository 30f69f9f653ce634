/**
 * A process that uses a store: `node store-writer.mjs <store> <what> …`
 * tags <name> <count>  puts content and names it, over and over
 * same <count>         puts the same content, over and over
 * large <bytes>        puts zeros
 * collect <count>      collects garbage, over and over
 * hang                 takes the lock and never gives it back
 */
import { join } from 'node:path';
import { ContentStore } from '../../dist/packaging/content-store.js';
import { withFileLock } from '../../dist/lib/file-lock.js';

const [directory, what, first, second] = process.argv.slice(2);
try {
  const store = await ContentStore.open(directory);
  if (what === 'tags') {
    for (let index = 0; index < Number(second); index++) await store.tag(`${first}-${index}`, await store.put(Buffer.from(`${first} ${index}`)));
  } else if (what === 'same') {
    for (let index = 0; index < Number(first); index++) await store.put(Buffer.alloc(100_000, index % 5));
  } else if (what === 'large') {
    await store.put(Buffer.alloc(Number(first)), { sizeBytes: Number(first) });
  } else if (what === 'collect') {
    for (let index = 0; index < Number(first); index++) await store.collectGarbage();
  } else {
    await withFileLock(join(directory, 'lock'), () => {
      process.stdout.write('locked\n');
      return new Promise((resolve) => setTimeout(resolve, 60_000));
    });
  }
  process.stdout.write('done\n');
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: error.code, message: error.message })}\n`);
  process.exitCode = 1;
}
