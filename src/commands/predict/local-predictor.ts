/** Models of files, loaded into this process. */
import { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import { createLog } from '../../observability/log.ts';
import type { HttpResponse } from '../../protocol.ts';
import { inferHandler } from '../../protocols/open-inference/infer-route.ts';
import { plain } from '../../protocols/json/plain.ts';
import { findModels } from '../../serving/model-layout.ts';
import { version } from '../../version.ts';
import { createRepository } from '../compose.ts';
import { foreignConfigs, formats } from '../model-formats.ts';
import type { Predictor } from './predictor.ts';

const mostConcurrent = 256;

/** Throws `INVALID_USAGE` where the path holds several models and none is named, and whatever loading says. */
export async function openLocalPredictor(path: string, modelName: string | undefined): Promise<Predictor> {
  const { models } = await findModels([path], { formats, foreignConfigs });
  const names = [...models.keys()].sort();
  if (modelName !== undefined && !models.has(modelName)) throw new ModelportError('INVALID_USAGE', `${path} has no model '${modelName}'${suggestName(modelName, names)}`, { at: '--model' });
  if (modelName === undefined && names.length > 1) throw new ModelportError('INVALID_USAGE', `${path} has ${names.length} models, say which: --model ${names.slice(0, 8).join(', --model ')}${names.length > 8 ? ' …' : ''}`, { at: '--model' });
  const name = modelName ?? names[0];
  const log = createLog('text', 'warn');
  // Why a model can't be loaded is thrown below; once is enough.
  const warnings = { debug: () => {}, info: () => {}, warn: log.warn.bind(log), error: () => {} };
  const repository = createRepository({ paths: [path], log: warnings, responseCacheBytes: 0, resources: {}, ...(name === undefined ? { mode: 'none' } : { mode: 'explicit', loadModels: [name] }) });
  try {
    const failures = await repository.start();
    if (failures.length > 0) throw failures[0]!.error;
    const served = repository.get(name!);
    const { signature } = served.model;
    const infer = inferHandler({
      repository,
      server: { serverName: 'modelport', version, allowSharedMemory: false, maxBodyBytes: Infinity },
      mountedRoutes: () => [],
      live: () => true,
    });
    return {
      name: served.name,
      inputs: signature.inputs,
      task: signature.predict,
      concurrency: Math.min(mostConcurrent, Math.max(32, signature.batch.maxSize * 2)),
      // What comes out of a server: JSON and nothing else.
      predict: async (value) => JSON.parse(JSON.stringify(await served.model.predict!(value, new Call()), plain)) as unknown,
      infer: async (body) => readText(await infer({ method: 'POST', path: '/', parameters: { model: served.name }, query: '', headers: {}, body }, new Call())),
      [Symbol.asyncDispose]: () => repository[Symbol.asyncDispose](),
    };
  } catch (error) {
    await repository[Symbol.asyncDispose]();
    throw error;
  }
}

function readText({ headers, body }: HttpResponse): string {
  if (headers?.['content-type'] !== 'application/json') throw new ModelportError('INVALID_REQUEST', 'binary outputs can not be shown: leave binary_data and binary_data_output out of the request', { at: 'outputs' });
  return typeof body === 'string' ? body : Buffer.from(body as Uint8Array).toString();
}
