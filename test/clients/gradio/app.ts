/** What Gradio's clients call in the tests: an endpoint for each thing that they can do. */
import { audio, chat, defineService, endpoint, file, fileBytes, image, table, z } from 'modelport';

let cancelled = 0;
let running = 0;
let mostRunning = 0;

export default defineService({
  name: 'parts',
  description: 'Everything once.',
  endpoints: {
    greet: endpoint({
      summary: 'Greets',
      input: z.object({ name: z.string().describe('Whom.'), times: z.int().min(1).max(5).default(1), loud: z.boolean().default(false), mood: z.enum(['happy', 'sad']).default('happy'), note: z.string().optional() }),
      output: z.object({ greeting: z.string(), length: z.int() }),
      examples: [{ name: 'Ada' }],
      handler: ({ name, times, loud, mood, note }) => {
        const text = Array.from({ length: times }, () => `${mood === 'happy' ? 'Hello' : 'Oh'} ${name}`).join(', ') + (note === undefined ? '' : ` (${note})`);
        return { greeting: loud ? text.toUpperCase() : text, length: text.length };
      },
    }),
    total: endpoint({ input: z.array(z.number()), output: z.number(), handler: (numbers) => numbers.reduce((sum, each) => sum + each, 0) }),
    words: endpoint({
      input: z.object({ text: z.string() }),
      output: z.string(),
      async *handler({ text }) {
        for (const [index, word] of text.split(' ').entries()) {
          yield index === 0 ? word : ` ${word}`;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      },
    }),
    countdown: endpoint({
      input: z.object({ from: z.int() }),
      output: z.object({ left: z.int(), seen: z.array(z.int()) }),
      async *handler({ from }) {
        const seen: number[] = [];
        for (let left = from; left >= 0; left--) {
          seen.push(left);
          yield { left, seen: [...seen] };
          if (left === 13) throw new Error('secret');
        }
      },
    }),
    work: endpoint({
      input: z.object({ steps: z.int() }),
      output: z.string(),
      handler: async ({ steps }, { progress }) => {
        for (let step = 1; step <= steps; step++) {
          progress(step / steps, `step ${step}`);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        return 'done';
      },
    }),
    together: endpoint({
      input: z.object({ number: z.int() }),
      output: z.int(),
      handler: async ({ number }) => {
        running++;
        mostRunning = Math.max(mostRunning, running);
        await new Promise((resolve) => setTimeout(resolve, 100));
        running--;
        return number * 2;
      },
    }),
    mostTogether: endpoint({ output: z.int(), handler: () => mostRunning }),
    hang: endpoint({
      output: z.string(),
      handler: (_input, { signal }) =>
        new Promise<string>((_resolve, reject) =>
          signal.addEventListener('abort', () => {
            cancelled++;
            reject(signal.reason as Error);
          }),
        ),
    }),
    hung: endpoint({ output: z.int(), handler: () => cancelled }),
    fails: endpoint({ handler: () => { throw new Error('secret'); } }),
    swap: endpoint({
      input: z.object({ first: file(), second: file() }),
      output: z.object({ first: file(), second: file() }),
      handler: ({ first, second }) => ({ first: fileBytes(second, second.mediaType), second: fileBytes(first, first.mediaType) }),
    }),
    mirror: endpoint({ input: z.object({ picture: image() }), output: image(), handler: ({ picture }) => fileBytes(picture, 'image/png') }),
    louder: endpoint({ input: z.object({ sound: audio() }), output: z.object({ sound: audio(), sizeBytes: z.int() }), handler: ({ sound }) => ({ sound: fileBytes(sound, 'audio/wav'), sizeBytes: sound.byteLength }) }),
    album: endpoint({ input: z.object({ pictures: z.array(image()) }), output: z.array(image()), handler: ({ pictures }) => pictures.map((each) => fileBytes(each, 'image/png')) }),
    chat: endpoint({
      input: z.object({ messages: chat() }),
      output: z.string(),
      async *handler({ messages }) {
        yield `${messages.length} messages, `;
        yield `the last: ${messages.at(-1)!.content}`;
      },
    }),
    rows: endpoint({ input: z.object({ rows: table({ name: z.string(), age: z.number() }) }), output: table({ name: z.string(), age: z.number() }), handler: ({ rows }) => rows.toSorted((left, right) => left.age - right.age) }),
    nested: endpoint({ output: z.object({ made: z.unknown() }), handler: () => ({ made: { deep: [fileBytes(new TextEncoder().encode('deep down'), 'text/plain')], many: 12n } }) }),
  },
});
