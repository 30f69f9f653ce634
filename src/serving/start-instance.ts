/** How an instance of each kind is started. */
import type { InstanceKind } from '../runtime.ts';
import { startInlineInstance } from './inline-instance.ts';
import type { Instance, InstanceStart } from './instance.ts';
import { startProcessInstance } from './process-instance.ts';
import { startThreadInstance } from './thread-instance.ts';

export const startInstance: Readonly<Record<InstanceKind, (start: InstanceStart) => Promise<Instance>>> = {
  inline: startInlineInstance,
  thread: startThreadInstance,
  process: startProcessInstance,
};
