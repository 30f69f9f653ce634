/** The files of a new service. */

export function appSource(name: string): string {
  return `/**
 * A service: functions with schemas. Each endpoint is a REST route, a form on the page, a tool for language models (MCP),
 * and a method of the client.
 *
 *     modelport serve app.ts --watch
 */
import { defineService, z } from 'modelport';

export default defineService({
  name: '${name}',
  description: 'Looks at texts.',

  // Models that handlers call as functions: a path from this file, or the name of a model that is served beside it.
  // models: { iris: './iris.onnx' },

  endpoints: (endpoint) => ({
    count: endpoint({
      summary: 'Counts words',
      input: z.object({
        text: z.string().min(1).max(10_000).describe('Any text.'),
        shortest: z.int().min(1).max(20).default(1).describe('Words with fewer letters are left out.'),
      }),
      output: z.object({ words: z.int(), longest: z.string() }),
      examples: [{ text: 'the quick brown fox', shortest: 4 }],
      handler({ text, shortest }) {
        const words = text.split(/\\s+/).filter((word) => word.length >= shortest);
        return { words: words.length, longest: words.reduce((longest, word) => (word.length > longest.length ? word : longest), '') };
      },
    }),

    // An async generator answers in parts, which arrive as they are made.
    spell: endpoint({
      summary: 'Spells a text, letter by letter',
      input: z.object({ text: z.string().max(1000) }),
      output: z.string(),
      examples: [{ text: 'hello' }],
      async *handler({ text }, { signal }) {
        for (const letter of text) {
          if (signal.aborted) return;
          yield letter;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
    }),
  }),
});
`;
}

export function testSource(name: string): string {
  return `/** Runs with \`npm test\`: the service in this process, without a port. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testService } from 'modelport';
import service from './app.ts';

test('${name} counts words', async () => {
  const tested = await testService(service);
  try {
    assert.deepEqual(await tested.call.count({ text: 'the quick brown fox', shortest: 4 }), { words: 2, longest: 'quick' });
    const refused = await tested.fetch('/${name}/count', { method: 'POST', body: '{}' });
    assert.equal(refused.status, 422);
  } finally {
    await tested[Symbol.asyncDispose]();
  }
});
`;
}

export function packageSource(name: string, version: string): string {
  return `${JSON.stringify(
    {
      name: name.toLowerCase(),
      private: true,
      type: 'module',
      scripts: { start: 'modelport serve app.ts', dev: 'modelport serve app.ts --watch', test: 'tsx --test app.test.ts', typecheck: 'tsc' },
      dependencies: { modelport: `^${version}` },
      devDependencies: { '@types/node': '^20.19.0', tsx: '^4.20.0', typescript: '>=5.9' },
    },
    null,
    2,
  )}\n`;
}

export const typescriptConfig = `${JSON.stringify({ compilerOptions: { module: 'nodenext', target: 'es2023', lib: ['es2023', 'esnext.disposable'], types: ['node'], strict: true, noEmit: true, allowImportingTsExtensions: true, skipLibCheck: true }, include: ['*.ts'] }, null, 2)}\n`;

export function readmeSource(name: string): string {
  return `# ${name}

\`\`\`sh
npx modelport serve app.ts --watch     # page and documentation at http://127.0.0.1:8000
npm install && npm test                # for the editor's types and the test
\`\`\`

\`\`\`sh
curl -s http://127.0.0.1:8000/${name}/count -H 'content-type: application/json' -d '{"text": "the quick brown fox", "shortest": 4}'
curl -sN http://127.0.0.1:8000/${name}/spell -H 'content-type: application/json' -d '{"text": "hello"}'
\`\`\`
`;
}
