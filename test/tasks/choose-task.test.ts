import { describe, expect, it } from 'vitest';
import { chooseTask } from '../../src/task.ts';
import { tasks } from '../../src/tasks/index.ts';
import { factsOf, signatureOf, spec } from './fake-model.ts';

const picture = factsOf(signatureOf([spec('x', 'FP32', ['batch', 3, 32, 32])], [spec('logits', 'FP32', ['batch', 10])]));
const numbers = factsOf(signatureOf([spec('x', 'FP32', ['batch', 3])], [spec('y', 'FP32', ['batch', 7])]));

describe('the task of a model', () => {
  it('is the one that recognizes it', () => {
    expect(chooseTask(tasks, undefined, picture)).toMatchObject({ task: { name: 'image-classification' }, options: {}, reason: expect.stringMatching(/is a picture/) as string });
    expect(chooseTask(tasks, undefined, numbers)).toBeUndefined();
  });

  it('is the one that the config names', () => {
    expect(chooseTask(tasks, 'tabular-classification', numbers)).toMatchObject({ task: { name: 'tabular-classification' }, reason: 'the config says so' });
    expect(chooseTask(tasks, { name: 'image-classification', topK: 3 }, picture)).toMatchObject({ options: { topK: 3 } });
    expect(chooseTask(tasks, 'none', picture)).toBeUndefined();
  });

  it.each<[Parameters<typeof chooseTask>[1], string, RegExp]>([
    ['image-clasification', 'task', /there is no task 'image-clasification'; did you mean 'image-classification'\?/],
    [{ name: 'image-classification', topk: 3 }, 'task.topk', /task image-classification has no option 'topk': did you mean 'topK'\?/],
    [{ name: 'image-classification', topK: 'many' }, 'task.topK', /task\.topK: /],
    [{ name: 'image-classification', resize: { mode: 'squeeze' } }, 'task.resize.mode', /task\.resize\.mode: .*shortest-side/],
  ])('%j is refused', (configured, at, message) => {
    expect(() => chooseTask(tasks, configured, picture)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', at, message: expect.stringMatching(message) as string }) as Error);
  });
});

describe.each(tasks)('$name', (task) => {
  it('describes every option', () => {
    const { shape } = task.options as unknown as { readonly shape: Record<string, { readonly description?: string }> };
    expect(Object.keys(shape).length).toBeGreaterThan(0);
    for (const [name, option] of Object.entries(shape)) expect(option.description, name).toMatch(/[.?…]$/);
  });
});
