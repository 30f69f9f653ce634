/** The gRPC side of the Open Inference Protocol. */
import type { GrpcMethod, ProtocolContext } from '../../../protocol.ts';
import { inferMethods } from './infer-methods.ts';
import { reflectionMethods } from './reflection-methods.ts';
import { serviceMethods } from './service-methods.ts';

export function grpcMethods(context: ProtocolContext): readonly GrpcMethod[] {
  const methods = [...inferMethods(context), ...serviceMethods(context)];
  const services = [...new Set(methods.map(({ path }) => path.slice(1, path.lastIndexOf('/'))))];
  return [...methods, ...reflectionMethods(() => services)];
}
