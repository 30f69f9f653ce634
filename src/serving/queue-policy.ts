/** What may wait, for how long, and in which order: the `queue` part of a model config with its defaults filled in. */
import { ModelportError } from '../errors.ts';
import type { ModelConfig, QueuePolicyConfig } from '../model-config.ts';

export type QueueConfig = NonNullable<ModelConfig['queue']>;

/** The policy of one priority level. */
export interface LevelPolicy {
  /** Most requests that may wait at this level; Infinity: no limit. */
  readonly maxSize: number;
  /** Infinity: for ever. */
  readonly defaultTimeoutMs: number;
  readonly timeoutAction: 'reject' | 'delay';
  readonly allowTimeoutOverride: boolean;
}

export interface QueuePolicy {
  /** At least one; the first is served first. */
  readonly levels: readonly LevelPolicy[];
  /** Index of the level of requests that name none, or one that does not exist. */
  readonly defaultLevel: number;
}

const defaultMaxQueueSize = 10_000;

/**
 * Deadlines of requests count unless the config says otherwise: a client that sends one means it. (Triton's default
 * is the opposite; a `config.pbtxt` that has a queue policy says so explicitly when it is read.)
 * Throws `INVALID_CONFIG` where the default level does not exist.
 */
export function queuePolicy(config: QueueConfig = {}): QueuePolicy {
  const configured = config.levels ?? [];
  const levels = configured.length === 0 ? [levelPolicy(config, config)] : configured.map((level) => levelPolicy(level, config));
  const defaultLevel = config.defaultLevel ?? levels.length;
  if (defaultLevel > levels.length) {
    throw new ModelportError('INVALID_CONFIG', `queue.defaultLevel is ${defaultLevel}, but there are ${levels.length} priority levels`, { at: 'queue.defaultLevel' });
  }
  return { levels, defaultLevel: defaultLevel - 1 };
}

function levelPolicy(level: QueuePolicyConfig, general: QueuePolicyConfig): LevelPolicy {
  return {
    maxSize: (level.maxSize ?? general.maxSize ?? defaultMaxQueueSize) || Infinity,
    defaultTimeoutMs: (level.defaultTimeoutMs ?? general.defaultTimeoutMs ?? 0) || Infinity,
    timeoutAction: level.timeoutAction ?? general.timeoutAction ?? 'reject',
    allowTimeoutOverride: level.allowTimeoutOverride ?? general.allowTimeoutOverride ?? true,
  };
}
