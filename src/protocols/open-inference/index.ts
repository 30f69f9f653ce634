/** Open Inference Protocol v2 (KServe v2) over REST and gRPC, with Triton's extensions. */
import type { Protocol } from '../../protocol.ts';
import { grpcMethods } from './grpc/methods.ts';
import { errorResponse } from './json-response.ts';
import { routes } from './routes.ts';

export const openInference: Protocol = { name: 'open-inference', routes, grpcMethods, errorResponse };
