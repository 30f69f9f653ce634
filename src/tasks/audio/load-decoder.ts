/** Decoders are packages that whoever serves recordings of that kind installs: loaded with the first one. */
import { ModelportError } from '../../errors.ts';

export async function loadDecoder<Module>(name: string, load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (cause) {
    throw new ModelportError('MISSING_DEPENDENCY', `this recording is decoded by the npm package ${name}, which is not installed beside the server: npm install ${name} (or send a WAVE file)`, { cause });
  }
}
