/**
 * A service whose endpoints take and give every kind of value that the page knows. Its answers are made up by plain arithmetic: no model
 * stands behind them.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { audio, chat, defineService, endpoint, file, fileBytes, image, table, tensor, z } from 'modelport';

const score = z.number().min(0).max(1);
const hinted = <T extends z.ZodType>(schema: T, hints: Record<string, unknown>): T => schema.meta({ 'x-modelport': hints });

/** A picture of the size, in one colour of grey, as an uncompressed BMP file. */
function greyPicture(width: number, height: number, grey: (x: number, y: number) => number): Buffer {
  const row = Math.ceil((width * 3) / 4) * 4;
  const bytes = Buffer.alloc(54 + row * height);
  bytes.write('BM');
  bytes.writeUInt32LE(bytes.length, 2);
  bytes.writeUInt32LE(54, 10);
  bytes.writeUInt32LE(40, 14);
  bytes.writeInt32LE(width, 18);
  bytes.writeInt32LE(height, 22);
  bytes.writeUInt16LE(1, 26);
  bytes.writeUInt16LE(24, 28);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) bytes.fill(grey(x, y), 54 + (height - 1 - y) * row + x * 3, 54 + (height - 1 - y) * row + x * 3 + 3);
  return bytes;
}

function tone(seconds: number, frequency: number): Buffer {
  const rate = 8000;
  const bytes = Buffer.alloc(44 + seconds * rate * 2);
  bytes.write('RIFF');
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(seconds * rate * 2, 40);
  for (let index = 0; index < seconds * rate; index++) bytes.writeInt16LE(Math.round(12_000 * Math.sin((2 * Math.PI * frequency * index) / rate) * Math.abs(Math.sin((Math.PI * index) / rate))), 44 + index * 2);
  return bytes;
}

const street = `data:image/bmp;base64,${greyPicture(160, 100, (x, y) => (y > 70 ? 90 : x > 30 && x < 70 && y > 30 ? 60 : x > 100 && x < 140 && y > 45 ? 130 : 205)).toString('base64')}`;
const hum = `data:audio/wav;base64,${tone(3, 220).toString('base64')}`;
const box = z.object({ xmin: z.number(), ymin: z.number(), xmax: z.number(), ymax: z.number() });

/** Of each stream, how many came. */
const pieces = new Map<string, number>();

export default defineService({
  name: 'show',
  description: 'Every kind of input and output, with made-up answers.',
  endpoints: {
    boxes: endpoint({
      summary: 'Marks two made-up things in a picture',
      input: z.object({ image: image({ title: 'Picture' }) }),
      output: z.object({ objects: hinted(z.array(z.object({ label: z.string(), score, box })), { widget: 'boxes', image: 'image' }) }),
      examples: [{ image: street }],
      handler: () => ({ objects: [{ label: 'house', score: 0.94, box: { xmin: 30, ymin: 30, xmax: 70, ymax: 71 } }, { label: 'van', score: 0.61, box: { xmin: 100, ymin: 45, xmax: 140, ymax: 71 } }, { label: 'house', score: 0.2, box: { xmin: 5, ymin: 5, xmax: 25, ymax: 20 } }] }),
    }),
    masks: endpoint({
      summary: 'Divides a picture into ground and sky, by its height',
      input: z.object({ image: image({ title: 'Picture' }) }),
      output: z.object({ segments: hinted(z.array(z.object({ label: z.string(), share: score, mask: z.string() })), { widget: 'masks', image: 'image' }) }),
      examples: [{ image: street }],
      handler: () => ({ segments: [{ label: 'ground', share: 0.29, mask: `data:image/bmp;base64,${greyPicture(160, 100, (_x, y) => (y > 70 ? 255 : 0)).toString('base64')}` }, { label: 'sky', share: 0.5, mask: `data:image/bmp;base64,${greyPicture(160, 100, (_x, y) => (y < 50 ? 255 : 0)).toString('base64')}` }] }),
    }),
    entities: endpoint({
      summary: 'Finds words that begin with a capital letter',
      input: z.object({ text: z.string().min(1).meta({ title: 'Text', 'x-modelport': { widget: 'textarea' } }) }),
      output: z.object({ entities: hinted(z.array(z.object({ label: z.string(), score, start: z.number().int(), end: z.number().int(), word: z.string() })), { widget: 'entities', textField: 'text' }), text: z.string() }),
      examples: [{ text: '🙂 Ada Lovelace wrote to Charles Babbage from London.' }, { text: 'nobody is here' }],
      handler: ({ text }) => ({
        text,
        entities: [...text.matchAll(/\p{Lu}\p{L}+/gu)].map((match) => {
          const start = Array.from(text.slice(0, match.index)).length;
          return { label: match[0] === 'London' ? 'place' : 'person', score: 0.9, start, end: start + match[0].length, word: match[0] };
        }),
      }),
    }),
    answer: endpoint({
      summary: 'The first number of a text',
      input: z.object({ question: z.string().meta({ title: 'Question' }), context: z.string().meta({ title: 'Context', 'x-modelport': { widget: 'textarea' } }) }),
      output: z.object({ answer: z.string(), score, start: z.number().int(), end: z.number().int() }).meta({ 'x-modelport': { widget: 'spans', textField: 'context' } }),
      examples: [{ question: 'How many?', context: 'The tower has 304 steps and one door.' }],
      handler: ({ context }) => {
        const found = /\d+/.exec(context);
        return { answer: found?.[0] ?? '', score: found === null ? 0 : 0.87, start: found?.index ?? 0, end: (found?.index ?? 0) + (found?.[0].length ?? 0) };
      },
    }),
    loudness: endpoint({
      summary: 'How loud a recording is, over its time',
      input: z.object({ audio: audio({ title: 'Recording' }) }),
      output: z.object({ loud: z.boolean(), share: score, segments: z.array(z.object({ start: z.number(), end: z.number() })), timeline: hinted(z.object({ start: z.number(), step: z.number(), values: z.array(z.number()) }), { widget: 'timeline', audio: 'audio', segments: 'segments' }) }),
      examples: [{ audio: hum }],
      handler: ({ audio: bytes }) => {
        const samples = new DataView(bytes.buffer, bytes.byteOffset + 44);
        const values: number[] = [];
        for (let at = 0; at + 800 <= samples.byteLength; at += 800) {
          let loudest = 0;
          for (let index = at; index < at + 800; index += 2) loudest = Math.max(loudest, Math.abs(samples.getInt16(index, true)));
          values.push(Number((loudest / 32_768).toFixed(3)));
        }
        const loud = values.map((value) => value > 0.2);
        const segments: { start: number; end: number }[] = [];
        for (const [index, is] of loud.entries()) {
          if (!is) continue;
          const last = segments.at(-1);
          if (last !== undefined && Math.abs(last.end - index * 0.05) < 0.01) last.end = Number(((index + 1) * 0.05).toFixed(2));
          else segments.push({ start: Number((index * 0.05).toFixed(2)), end: Number(((index + 1) * 0.05).toFixed(2)) });
        }
        return { loud: loud.includes(true), share: loud.filter(Boolean).length / Math.max(1, loud.length), segments, timeline: { start: 0, step: 0.05, values } };
      },
    }),
    ears: endpoint({
      summary: 'Counts the pieces of a stream of sound',
      input: z.object({ audio: audio({ title: 'Recording' }), stream: hinted(z.string().optional(), { role: 'stream', advanced: true }), end: hinted(z.boolean().default(false), { role: 'stream-end', advanced: true }) }),
      output: z.object({ ended: z.boolean(), timeline: hinted(z.object({ start: z.number(), step: z.number(), values: z.array(z.number()) }), { widget: 'timeline', audio: 'audio' }) }),
      handler: ({ stream = '', end }) => {
        const piece = pieces.get(stream) ?? 0;
        pieces.set(stream, piece + 1);
        return { ended: end, timeline: { start: piece * 0.5, step: 0.5, values: [piece / 10] } };
      },
    }),
    totals: endpoint({
      summary: 'Adds up a table',
      input: z.object({ orders: table({ article: z.string(), pieces: z.number().int(), price: z.number(), express: z.boolean().optional() }, { title: 'Orders' }) }),
      output: z.array(z.object({ article: z.string(), total: z.number() })),
      examples: [{ orders: [{ article: 'lamp', pieces: 2, price: 19.5 }, { article: 'chair', pieces: 4, price: 49, express: true }] }],
      handler: ({ orders }) => orders.map(({ article, pieces, price }) => ({ article, total: pieces * price })),
    }),
    chat: endpoint({
      summary: 'Says what was said, word by word, backwards',
      input: z.object({ messages: chat({ title: 'Conversation' }) }),
      output: z.string(),
      examples: [{ messages: [{ role: 'user', content: 'tea or coffee' }] }],
      async *handler({ messages }) {
        for (const word of messages.at(-1)!.content.split(' ').reverse()) {
          yield `${word} `;
          await wait(30);
        }
      },
    }),
    count: endpoint({
      summary: 'Counts, a number a tenth of a second',
      input: z.object({ to: z.number().int().min(1).max(1000).meta({ title: 'To' }) }),
      output: z.object({ n: z.number().int(), square: z.number().int() }),
      examples: [{ to: 5 }],
      async *handler({ to }) {
        for (let n = 1; n <= to; n++) {
          yield { n, square: n * n };
          await wait(100);
        }
      },
    }),
    slow: endpoint({
      summary: 'Takes as long as it is told, one at a time',
      input: z.object({ seconds: z.number().min(0).max(10).meta({ title: 'Seconds' }), steps: z.number().int().min(0).max(100).default(4).meta({ title: 'Steps' }) }),
      output: z.object({ done: z.boolean() }),
      concurrency: 1,
      async handler({ seconds, steps }, { progress, signal }) {
        for (let step = 0; step < Math.max(1, steps); step++) {
          if (steps > 0) progress(step / steps, `step ${step + 1} of ${steps}`);
          await wait((seconds * 1000) / Math.max(1, steps), undefined, { signal });
        }
        return { done: true };
      },
    }),
    files: endpoint({
      summary: 'Says how large files are, and gives them back',
      input: z.object({ files: z.array(file()).min(1).meta({ title: 'Files' }), day: z.iso.date().optional().meta({ title: 'Day' }) }),
      output: z.object({ sizes: z.array(z.object({ file: z.number().int(), bytes: z.number().int() })), sound: hinted(z.unknown(), { widget: 'audio' }), copy: z.unknown() }),
      handler: ({ files }) => ({ sizes: files.map((bytes, index) => ({ file: index + 1, bytes: bytes.byteLength })), sound: fileBytes(tone(1, 440), 'audio/wav'), copy: fileBytes(files[0]!, 'text/plain') }),
    }),
    captions: endpoint({
      summary: 'Which of some captions is longest',
      input: z.object({
        captions: z.array(z.string().min(1)).min(1).meta({ title: 'Captions', 'x-modelport': { widget: 'tags' } }),
        sizes: z.array(z.enum(['small', 'large'])).optional().meta({ title: 'Sizes' }),
        matrix: tensor('FP32', [-1, 2], { title: 'Matrix' }).optional(),
      }),
      output: z.object({ ranking: hinted(z.array(z.object({ caption: z.string(), score: z.number() })), { widget: 'ranking', label: 'caption' }), curve: z.array(z.number()) }),
      examples: [{ captions: ['a cat', 'a very small dog'] }],
      handler: ({ captions }) => ({ ranking: captions.map((caption) => ({ caption, score: caption.length })), curve: Array.from({ length: 60 }, (_, index) => Number(Math.sin(index / 6).toFixed(4))) }),
    }),
  },
});
