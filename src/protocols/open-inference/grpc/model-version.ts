/** The version that a message names. REST has it in the path, where only numbers are one. */
import { ModelportError } from '../../../errors.ts';

/** undefined where the message leaves it to the server. Throws `INVALID_REQUEST` in Triton's words, which its clients look for. */
export function requestedVersion(version: string): string | undefined {
  if (version === '') return undefined;
  if (!/^\d+$/.test(version)) throw new ModelportError('INVALID_REQUEST', `failed to get model version from specified version string '${version.slice(0, 200)}', version should be an integral value > 0`, { at: 'model_version' });
  return version;
}
