/** A service whose answers are longer, wider and deeper than a page is made for. Made up: no model stands behind them. */
import { audio, defineService, endpoint, file, fileBytes, image, z } from 'modelport';

const hinted = <T extends z.ZodType>(schema: T, hints: Record<string, unknown>): T => schema.meta({ 'x-modelport': hints });
const word = 'Donaudampfschifffahrtsgesellschaftskapitän_';
const sentence = 'The quick brown fox jumps over the lazy dog, again and again. ';
const trigger = z.object({ go: z.boolean().default(true) });

export default defineService({
  name: 'far',
  description: 'Answers that are longer, wider and deeper than usual.',
  endpoints: {
    labels: endpoint({
      summary: 'Labels that are longer than a line',
      input: trigger,
      output: z.array(z.object({ label: z.string(), score: z.number() })),
      examples: [{}],
      handler: () => [{ label: word.repeat(4), score: 0.8 }, { label: sentence.repeat(2), score: 0.15 }, { label: 'short', score: 0.05 }],
    }),
    text: endpoint({
      summary: 'A text of many pages',
      input: trigger,
      output: z.object({ text: z.string() }),
      examples: [{}],
      handler: () => ({ text: sentence.repeat(300) + word.repeat(10) }),
    }),
    pages: endpoint({
      summary: 'A text of many pages, line by line',
      input: trigger,
      output: z.string(),
      async *handler() {
        for (let line = 1; line <= 5000; line++) {
          yield `line ${line}: ${sentence}\n`;
          if (line % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
    }),
    crowd: endpoint({
      summary: 'More things than anybody counts',
      input: z.object({ image: image({ title: 'Picture' }) }),
      output: z.object({ objects: hinted(z.array(z.object({ label: z.string(), score: z.number(), box: z.array(z.number()) })), { widget: 'boxes', image: 'image' }) }),
      handler: () => ({ objects: Array.from({ length: 1500 }, (_, index) => ({ label: `thing ${index % 12}`, score: (index % 100) / 100, box: [(index * 37) % 90, (index * 53) % 90, ((index * 37) % 90) + 9, ((index * 53) % 90) + 9] })) }),
    }),
    tree: endpoint({
      summary: 'Names in names',
      input: trigger,
      output: z.unknown(),
      examples: [{}],
      handler: () => ({ model: { name: 'x', layers: [{ kind: 'dense', weights: { shape: [10, 20], mean: 0.5 } }, { kind: 'relu' }] }, ready: true, scored: { scores: [{ label: 'yes', score: 0.75 }, { label: 'no', score: 0.25 }], by: { whom: 'nobody' } } }),
    }),
    heat: endpoint({
      summary: 'Rows of numbers',
      input: trigger,
      output: z.object({ attention: z.array(z.array(z.number())) }),
      examples: [{}],
      handler: () => ({ attention: Array.from({ length: 20 }, (_, row) => Array.from({ length: 30 }, (__, column) => row * 100 + column)) }),
    }),
    rows: endpoint({
      summary: 'A table of a thousand rows and thirty columns',
      input: trigger,
      output: z.array(z.record(z.string(), z.union([z.string(), z.number()]))),
      examples: [{}],
      handler: () => Array.from({ length: 1000 }, (_, row) => Object.fromEntries(Array.from({ length: 30 }, (__, column) => [`column ${column}`, column % 3 === 0 ? `${word}${row}` : (row * 7919) % 1000]))),
    }),
    speech: endpoint({
      summary: 'Wants a recording of 8,000 samples a second',
      input: z.object({ audio: hinted(audio({ title: 'Recording' }), { widget: 'audio', sampleRate: 8000 }) }),
      output: z.object({ head: z.string(), rate: z.number(), seconds: z.number() }),
      handler: ({ audio: bytes }) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        return { head: Buffer.from(bytes.subarray(0, 4)).toString('latin1'), rate: view.getUint32(24, true), seconds: view.getUint32(40, true) / 2 / view.getUint32(24, true) };
      },
    }),
    cinema: endpoint({
      summary: 'Gives back a film',
      input: z.object({ film: file({ title: 'Film' }) }),
      output: z.object({ film: hinted(z.unknown(), { widget: 'video' }) }),
      handler: ({ film }) => ({ film: fileBytes(film, 'video/webm') }),
    }),
  },
});
