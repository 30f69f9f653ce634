/** What was filled in and answered, so that nothing is lost when a person looks at another model and comes back. */
import type { Answer } from './api.ts';

export interface ModelSession {
  value: unknown;
  answer: Answer | undefined;
  /** The value that was answered. */
  answered: unknown;
  live: boolean;
  /** A value fits another version only where this is the same. */
  task: string | undefined;
}

const sessions = new Map<string, ModelSession>();
const latest = new Map<string, ModelSession>();

export function sessionOf(model: string, version: string): ModelSession | undefined {
  return sessions.get(`${model}/${version}`);
}

export function keepSession(model: string, version: string, session: ModelSession): void {
  sessions.set(`${model}/${version}`, session);
  latest.set(model, session);
}

/** What was filled in last for any version of a model: another version begins with it. */
export function latestSessionOf(model: string): ModelSession | undefined {
  return latest.get(model);
}
