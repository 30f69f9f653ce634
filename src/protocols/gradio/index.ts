export { createGradio, gradio, type GradioStores } from './routes.ts';
