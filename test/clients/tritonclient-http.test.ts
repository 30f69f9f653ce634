/** Triton's own Python clients over REST: the blocking one and the one on asyncio. */
import { describePython } from './setup/python-tests.ts';
import { serveClientModels } from './setup/serve-client-models.ts';

for (const flavour of ['http', 'http-asyncio']) {
  const { start, stop } = serveClientModels({ MODELPORT_TEST_FLAVOUR: flavour });
  describePython(`tritonclient, ${flavour}`, 'tritonclient_every.py', { start, stop });
}
