/** How values on the command line, in the environment and in files are written: durations, sizes, ports, switches. */
import { InvalidArgumentError } from 'commander';

const durationUnits = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const sizeUnits = { B: 1, KB: 1000, MB: 1000 ** 2, GB: 1000 ** 3, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** `30s`, `500ms`, `2m` → milliseconds; a bare number is seconds. */
export function parseDuration(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  if (match === null) throw new InvalidArgumentError('write a duration as 30s, 500ms or 2m');
  return Number(match[1]) * durationUnits[(match[2] ?? 's') as keyof typeof durationUnits];
}

/** `64MB`, `1GiB` → bytes; a bare number is bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMG]i?B|B)?$/i.exec(text.trim());
  const unit = Object.keys(sizeUnits).find((name) => name.toLowerCase() === (match?.[2] ?? 'B').toLowerCase());
  if (match === null || unit === undefined) throw new InvalidArgumentError('write a size as 64MB or 1GiB');
  return Math.floor(Number(match[1]) * sizeUnits[unit as keyof typeof sizeUnits]);
}

/** A port, 0 for a free one, `off` for none. */
export function parsePort(text: string): number | 'off' {
  if (text === 'off') return 'off';
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65535) throw new InvalidArgumentError('write a port from 1 to 65535, 0 for a free one, or off');
  return Number(text);
}

export function parseSwitch(text: string): boolean {
  if (/^(?:true|1|yes|on)$/i.test(text)) return true;
  if (/^(?:false|0|no|off)$/i.test(text)) return false;
  throw new InvalidArgumentError('write true or false');
}

export function parsePositiveInteger(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError('write a whole number of at least 1');
  return Number(text);
}

/** Commander's reducer for options that may be given several times. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), value];
}
