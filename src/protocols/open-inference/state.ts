/** What outlives requests in this protocol: settings, shared memory regions, threads. One for REST and gRPC of a server. */
import type { ProtocolContext } from '../../protocol.ts';
import { JsonThreads } from './json-threads.ts';
import { LogSettingsStore, TraceSettingsStore } from './settings.ts';
import { SharedMemoryRegions } from './shared-memory.ts';

export interface OpenInferenceState {
  readonly trace: TraceSettingsStore;
  readonly log: LogSettingsStore;
  readonly regions: SharedMemoryRegions;
  readonly threads: JsonThreads;
}

const states = new WeakMap<ProtocolContext, OpenInferenceState>();

/** The same for every call with the same context. */
export function stateOf(context: ProtocolContext): OpenInferenceState {
  let state = states.get(context);
  if (state === undefined) {
    state = { trace: new TraceSettingsStore(), log: new LogSettingsStore(), regions: new SharedMemoryRegions(context.server.allowSharedMemory), threads: new JsonThreads() };
    states.set(context, state);
  }
  return state;
}
