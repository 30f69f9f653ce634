/** Triton's own Python clients over REST: the blocking one and the one on asyncio. */
import { describePython } from './setup/python-tests.ts';
import { serveClientModels } from './setup/serve-client-models.ts';

for (const flavour of ['http', 'http-asyncio']) {
  for (const file of ['tritonclient_every.py', 'tritonclient_http_only.py']) {
    const { start, stop } = serveClientModels({ MODELPORT_TEST_FLAVOUR: flavour });
    describePython(`tritonclient, ${flavour}, ${file}`, file, { start, stop });
  }
}
