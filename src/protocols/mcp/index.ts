/** Tools for language models. */
export { mcp } from './routes.ts';
