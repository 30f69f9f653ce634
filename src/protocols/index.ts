/** Every protocol that is served. Adding one is its folder and its line here. */
import type { Protocol } from '../protocol.ts';
import { documentation } from './documentation/routes.ts';
import { gradio } from './gradio/index.ts';
import { mcp } from './mcp/index.ts';
import { openInference } from './open-inference/index.ts';
import { page } from './page/routes.ts';
import { endpointRoutes, predict } from './predict/index.ts';

export const protocols: readonly Protocol[] = [openInference, predict, endpointRoutes, mcp, gradio, documentation, page];
