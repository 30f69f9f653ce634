/** What every base has beside libraries: users, name service, places to write, and the marks of what it is. */
import type { LayerEntry } from '../image/layer.ts';

/** The user that containers run as. */
export const containerUser = 65_532;

export function rootFiles(name: string): LayerEntry[] {
  const text = (path: string, lines: readonly string[]): LayerEntry => ({ path, type: 'file', content: Buffer.from(`${lines.join('\n')}\n`) });
  return [
    text('etc/passwd', ['root:x:0:0:root:/root:/sbin/nologin', 'nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin', `nonroot:x:${containerUser}:${containerUser}:nonroot:/home/nonroot:/sbin/nologin`]),
    text('etc/group', ['root:x:0:', 'nobody:x:65534:', `nonroot:x:${containerUser}:`]),
    text('etc/nsswitch.conf', ['hosts: files dns', 'passwd: files', 'group: files']),
    text('etc/os-release', [`PRETTY_NAME="Modelport base, ${name}"`, 'NAME="Modelport base"', 'ID=modelport', `VARIANT="${name}"`]),
    { path: 'tmp', type: 'directory', mode: 0o1777 },
    { path: 'home/nonroot', type: 'directory', mode: 0o755 },
    { path: 'root', type: 'directory', mode: 0o700 },
    { path: 'proc', type: 'directory', mode: 0o555 },
    { path: 'sys', type: 'directory', mode: 0o555 },
    { path: 'dev', type: 'directory' },
    { path: 'run', type: 'directory' },
  ];
}
