/** All calls of `inference.GRPCInferenceService` but inference, `grpc.health.v1.Health`, and what reflection tells of them. */
import { ModelportError } from '../../../errors.ts';
import { tritonModelConfig } from '../../../formats/triton-model-config.ts';
import type { GrpcCall, GrpcMethod, ProtocolContext } from '../../../protocol.ts';
import { indexDocument, modelMetadata, servedOrUndefined, serverMetadata, statisticsOf } from '../documents.ts';
import { loadModel } from '../repository-routes.ts';
import { requestedVersion } from './model-version.ts';
import { stateOf } from '../state.ts';
import { messageCodec } from './messages.ts';

type Message = Record<string, unknown>;

export function serviceMethods(context: ProtocolContext): GrpcMethod[] {
  const { repository, server } = context;
  const { regions, trace, log } = stateOf(context);
  const method = unaryMethod(protocolService, 'inference');
  const served = (request: Message, name = 'name', version = 'version') => repository.get(text(request[name]), requestedVersion(text(request[version])));

  return [
    method('ServerLive', 'public', () => ({ live: context.live() })),
    method('ServerReady', 'public', () => ({ ready: context.live() && repository.allReady() })),
    method('ModelReady', 'public', (request) => ({ ready: modelReady(context, text(request['name']), text(request['version'])) })),
    method('ServerMetadata', 'public', () => serverMetadata(server)),
    method('ModelMetadata', 'inference', (request) => modelMetadata(served(request))),
    method('ModelConfig', 'inference', (request) => ({ config: tritonModelConfig(served(request)) })),
    method('ModelStatistics', 'inference', (request) => ({ model_stats: statisticsOf(repository, text(request['name']) || undefined, requestedVersion(text(request['version']))) })),
    method('RepositoryIndex', 'management', (request) => {
      refuseRepositoryName(request);
      return { models: indexDocument(repository.index(), request['ready'] === true) };
    }),
    method('RepositoryModelLoad', 'management', async (request) => {
      refuseRepositoryName(request);
      await loadModel(repository, text(request['model_name']), choices(request['parameters']));
      return {};
    }),
    method('RepositoryModelUnload', 'management', async (request) => {
      refuseRepositoryName(request);
      const { unload_dependents: unloadDependents = false } = choices(request['parameters']);
      if (typeof unloadDependents !== 'boolean') throw new ModelportError('INVALID_REQUEST', "invalid value type for 'unload_dependents' parameter, expected bool_param", { at: 'parameters.unload_dependents' });
      await repository.unload(text(request['model_name']), { unloadDependents });
      return {};
    }),
    method('SystemSharedMemoryStatus', 'management', (request) => ({
      regions: Object.fromEntries(regions.status(text(request['name']) || undefined).map(({ name, key, offset, byteSize }) => [name, { name, key, offset, byte_size: byteSize }])),
    })),
    method('SystemSharedMemoryRegister', 'management', (request) => {
      regions.register({ name: text(request['name']), key: text(request['key']), offset: Number(request['offset']), byteSize: Number(request['byte_size']) });
      return {};
    }),
    method('SystemSharedMemoryUnregister', 'management', (request) => {
      regions.unregister(text(request['name']) || undefined);
      return {};
    }),
    // There is no GPU whose memory could be shared: the same answers as a Triton without one.
    method('CudaSharedMemoryStatus', 'management', (request) => {
      if (request['name'] !== '') throw new ModelportError('NOT_FOUND', `Unable to find cuda shared memory region: '${text(request['name'])}'`);
      return { regions: {} };
    }),
    method('CudaSharedMemoryRegister', 'management', (request) => {
      throw new ModelportError('INVALID_REQUEST', `failed to register CUDA shared memory region: '${text(request['name'])}', GPUs not supported`);
    }),
    method('CudaSharedMemoryUnregister', 'management', () => ({})),
    method('TraceSetting', 'management', (request) => {
      const name = text(request['model_name']) || undefined;
      if (name !== undefined) repository.get(name);
      const settings = request['settings'] as Record<string, { value: string[] }>;
      // A setting without values takes the model's own value back.
      const several = Object.keys(settings).find((setting) => setting !== 'trace_level' && settings[setting]!.value.length > 1);
      if (several !== undefined) throw new ModelportError('INVALID_REQUEST', `expect only 1 value for '${several}'`, { at: `settings.${several}` });
      const change = Object.fromEntries(Object.entries(settings).map(([setting, { value }]) => [setting, value.length === 0 ? null : setting === 'trace_level' ? value : value[0]]));
      const now = Object.keys(change).length === 0 ? trace.get(name) : trace.update(change, name);
      return { settings: Object.fromEntries(Object.entries(now).map(([setting, value]) => [setting, { value: typeof value === 'string' ? [value] : value }])) };
    }),
    method('LogSettings', 'management', (request) => {
      const now = log.update(choices(request['settings']));
      return {
        settings: Object.fromEntries(
          Object.entries(now).map(([setting, value]) => [setting, typeof value === 'boolean' ? { bool_param: value } : typeof value === 'number' ? { uint32_param: value } : { string_param: value as string }]),
        ),
      };
    }),
    ...healthMethods(context),
  ];
}

/** https://github.com/grpc/grpc/blob/master/doc/health-checking.md; a service is the protocol's own or a model. */
function healthMethods(context: ProtocolContext): GrpcMethod[] {
  const { repository } = context;
  const status = (name: string): string | undefined => {
    if (name === '' || name === protocolService) return context.live() && repository.allReady() ? 'SERVING' : 'NOT_SERVING';
    if (!repository.index().some((entry) => entry.name === name)) return undefined;
    return context.live() && modelReady(context, name, '') ? 'SERVING' : 'NOT_SERVING';
  };
  const request = messageCodec('grpc.health.v1.HealthCheckRequest');
  const response = messageCodec('grpc.health.v1.HealthCheckResponse');
  const codec = { door: 'public', requestStream: false, deserialize: (bytes: Uint8Array) => request.read(bytes), serialize: (message: unknown) => response.write(message) } as const;
  return [
    {
      ...codec,
      path: '/grpc.health.v1.Health/Check',
      responseStream: false,
      unary(message) {
        const name = text((message as Message)['service']);
        const now = status(name);
        if (now === undefined) throw new ModelportError('NOT_FOUND', `there is no service or model '${name.slice(0, 200)}'`);
        return { status: now };
      },
    },
    {
      ...codec,
      path: '/grpc.health.v1.Health/Watch',
      responseStream: true,
      async *streaming(messages, { call }) {
        for await (const message of messages) yield* watch(() => status(text((message as Message)['service'])) ?? 'SERVICE_UNKNOWN', context, call);
      },
    },
  ];
}

const protocolService = 'inference.GRPCInferenceService';

/** The status now, and again whenever it is another one, until the client leaves. */
async function* watch(status: () => string, context: ProtocolContext, call: GrpcCall['call']): AsyncGenerator<{ status: string }> {
  let wake: () => void = () => {};
  const takeBack = [context.repository.onChange(() => wake()), call.onCancel(() => wake())];
  try {
    let told: string | undefined;
    while (!call.cancelled) {
      const now = status();
      if (now !== told) yield { status: (told = now) };
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    for (const end of takeBack) end();
  }
}

function modelReady(context: ProtocolContext, name: string, version: string): boolean {
  const wanted = requestedVersion(version);
  return servedOrUndefined(() => context.repository.get(name, wanted))?.ready() === true;
}

function unaryMethod(service: string, packageName: string) {
  return (name: string, door: GrpcMethod['door'], answer: (request: Message, call: GrpcCall) => unknown): GrpcMethod => {
    const request = messageCodec(`${packageName}.${name}Request`);
    const response = messageCodec(`${packageName}.${name}Response`);
    return {
      path: `/${service}/${name}`,
      door,
      requestStream: false,
      responseStream: false,
      deserialize: (bytes) => request.read(bytes),
      serialize: (message) => response.write(message),
      unary: (message, call) => answer(message as Message, call),
    };
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A map of messages with one set choice each, as its values. */
function choices(map: unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(map as Record<string, Message>).map(([name, { parameter_choice: choice, ...value }]) => [name, typeof choice === 'string' ? value[choice] : undefined]));
}

function refuseRepositoryName(request: Message): void {
  if (text(request['repository_name']) !== '') throw new ModelportError('UNSUPPORTED', "'repository_name' specification is not supported: leave it empty");
}
