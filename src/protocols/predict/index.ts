/** Values in, values out: the door for people. */
import type { Protocol } from '../../protocol.ts';
export { endpointRoutes } from './endpoint-routes.ts';
import { errorResponse, routes } from './routes.ts';

export const predict: Protocol = { name: 'predict', routes, errorResponse };
