/** docs/tasks.md is what the tasks say of themselves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { tasks } from '../../src/tasks/index.ts';

const root = join(import.meta.dirname, '..', '..');
const { tasksDocumentation } = (await import(new URL('../../scripts/write-tasks-docs.mjs', import.meta.url).href)) as { tasksDocumentation: () => string };

it('is current: else run node scripts/write-tasks-docs.mjs', () => {
  expect(readFileSync(join(root, 'docs/tasks.md'), 'utf8')).toBe(tasksDocumentation());
});

it('has a section for each task, with values that are JSON and every option', () => {
  const page = tasksDocumentation();
  for (const task of tasks) {
    const section = page.split(`## ${task.name}\n`)[1]!.split('\n## ')[0]!;
    const values = [...section.matchAll(/```json\n(.*?)\n```/gs)].map(([, text]) => JSON.parse(text!) as object);
    expect(values).toHaveLength(2);
    for (const option of Object.keys('shape' in task.options ? (task.options.shape as object) : {})) expect(section).toContain(`| \`${option}\` |`);
  }
});
