/** Structured logs over pino: JSON lines for machines, one readable line each for people. Never keys, bodies or tensor contents. */
import { pino, type Logger } from 'pino';
import { createStyle, usesColor } from '../lib/terminal.ts';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>;

/** `level`: the least that is written. */
export function createLog(format: 'text' | 'json', level: 'info' | 'warn' = 'info', stream: NodeJS.WriteStream = process.stderr): Log {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (label: string) => ({ level: label }) } };
  if (format === 'json') return pino(options, stream);
  const style = createStyle(usesColor(stream));
  return pino(options, { write: (line: string) => void stream.write(readable(line, style)) });
}

function readable(line: string, style: ReturnType<typeof createStyle>): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as { level: string; time: string; msg?: string; err?: { stack?: string } } & Record<string, unknown>;
  const paint = level === 'error' || level === 'fatal' ? style.red : level === 'warn' ? style.yellow : style.dim;
  const details = Object.entries(fields).map(([name, value]) => `${style.dim(`${name}=`)}${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const stack = err?.stack === undefined ? '' : `\n${style.dim(err.stack)}`;
  return `${style.dim(time.slice(11, 23))} ${paint(level.padEnd(5))} ${[msg ?? '', ...details].join(' ')}${stack}\n`;
}
