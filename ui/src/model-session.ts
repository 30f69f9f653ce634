/** What was filled in and answered, so that nothing is lost when a person looks at another model and comes back. */
import type { Answer } from './api.ts';

export interface ModelSession {
  value: unknown;
  answer: Answer | undefined;
  /** The value that was answered. */
  answered: unknown;
  live: boolean;
}

const sessions = new Map<string, ModelSession>();

export function sessionOf(model: string, version: string): ModelSession | undefined {
  return sessions.get(`${model}/${version}`);
}

export function keepSession(model: string, version: string, session: ModelSession): void {
  sessions.set(`${model}/${version}`, session);
}
