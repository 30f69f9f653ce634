import { readFileSync } from 'node:fs';
import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** `MODELPORT_URL=http://127.0.0.1:8000 npx vite ui` shows a running server's models while the page is being written. */
const server = process.env['MODELPORT_URL'] ?? 'http://127.0.0.1:8000';

/** Puts boot/theme.js, under a name with its digest, before everything else: the page's content policy forbids inline scripts. */
const themeBeforePaint: Plugin = {
  name: 'theme-before-paint',
  apply: 'build',
  transformIndexHtml: {
    order: 'post',
    handler(_html, { bundle }) {
      const script = Object.values(bundle ?? {}).find((file) => file.type === 'asset' && file.names.includes('theme.js'));
      return [{ tag: 'script', attrs: { src: `./${script!.fileName}` }, injectTo: 'head-prepend' }];
    },
  },
  buildStart() {
    this.emitFile({ type: 'asset', name: 'theme.js', source: readFileSync(new URL('boot/theme.js', import.meta.url)) });
  },
};

export default defineConfig({
  // Relative addresses everywhere: the page works behind any path prefix.
  base: './',
  plugins: [react(), themeBeforePaint],
  build: {
    outDir: '../dist/ui',
    emptyOutDir: true,
    // Where light-dark() and nesting are known: browsers from the spring of 2024 on.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // Pictures stay files, so that a content security policy needs no exception for them.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    proxy: Object.fromEntries(['/v2', '/ui/models', '/models', '/metrics', '/docs', '/openapi.json'].map((path) => [path, server])),
  },
});
