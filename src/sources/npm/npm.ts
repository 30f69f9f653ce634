/** `npm:NAME@VERSION/MEMBER`: a file inside an npm package, `MEMBER/` a folder inside it. Read only; nothing is installed or run. */
import { ModelportError } from '../../errors.ts';
import { splitPin, type FetchedContent, type Source, type SourceContext } from '../../source.ts';
import { readMembers } from '../package/package-members.ts';
import { fetchNpmPackage } from './npm-registry.ts';

const form = 'npm:NAME@VERSION/MEMBER#sha256=…';

export const npm: Source = {
  scheme: 'npm',
  form,
  async fetch(reference: string, context: SourceContext): Promise<FetchedContent> {
    const { name, version, member, sha256 } = parseReference(reference);
    const wanted = { reference, member, sha256, packageName: name.split('/').pop()!, cacheName: `package/npm/${name}/${version}` };
    return await readMembers(wanted, context, async () => [{ fileName: 'package.tgz', fetch: () => fetchNpmPackage(name, version, context) }]);
  },
};

export function parseReference(reference: string): { readonly name: string; readonly version: string; readonly member: string; readonly sha256: string | undefined } {
  const { place, sha256 } = splitPin(reference);
  const match = /^npm:((?:@[\w.~-]{1,100}\/)?[\w.~-]{1,200})@(\d[\w.+-]{0,100})\/(.+)$/.exec(place);
  if (match === null) throw new ModelportError('INVALID_USAGE', `'${reference}' is no file in an npm package: write ${form}, as in npm:@mediapipe/selfie_segmentation@0.1.1675465747/selfie_segmentation.tflite`, { at: reference });
  return { name: match[1]!, version: match[2]!, member: match[3]!, sha256 };
}
