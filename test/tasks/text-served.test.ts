/** Folders as they are downloaded, served by the real command line. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startModelport, type RunningModelport } from '../start-modelport.ts';
import { expectedOf, textFixtures } from './text-fixtures.ts';

let server: RunningModelport;
beforeAll(async () => {
  server = await startModelport({ arguments: [textFixtures, '--grpc-port', 'off'] });
});
afterAll(async () => {
  await server.stop();
});

async function post(path: string, body: string | Uint8Array<ArrayBuffer>, contentType = 'application/json'): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.url}${path}`, { method: 'POST', body, headers: { 'content-type': contentType } });
  return { status: response.status, text: await response.text() };
}

it('answers as the pipelines do', async () => {
  const { texts } = expectedOf('text-classification') as { texts: [string, { label: string; score: number }[]][] };
  const answers = await Promise.all(texts.map(async ([text]) => JSON.parse((await post('/models/text-classification/predict', JSON.stringify({ text, topK: 3 }))).text) as { labels: { label: string; score: number }[] }));
  for (const [index, [, wanted]] of texts.entries()) {
    expect(answers[index]!.labels.map(({ label }) => label)).toEqual(wanted.map(({ label }) => label));
    for (const [place, { score }] of answers[index]!.labels.entries()) expect(Math.abs(score - wanted[place]!.score)).toBeLessThan(1e-4);
  }
});

it('continues many texts at once, through both doors, each as alone', async () => {
  const cases = (expectedOf('text-generation') as [{ prompt: string; repetitionPenalty?: number }, string, number[]][]).flatMap((one) => [one, one]);
  const found = await Promise.all(
    cases.map(async ([value], index) => {
      const { prompt, ...parameters } = value;
      if (index % 2 === 0) return (JSON.parse((await post('/models/text-generation/predict', JSON.stringify({ ...value, maxTokens: 20 }))).text) as { text: string }).text;
      const { text } = await post('/v2/models/text-generation/generate_stream', JSON.stringify({ text_input: prompt, parameters: { ...parameters, max_tokens: 20 } }));
      return [...text.matchAll(/^data: (.*)$/gm)].map(([, event]) => (JSON.parse(event!) as { text_output: string }).text_output).join('');
    }),
  );
  expect(found).toEqual(cases.map(([, text]) => text));
});

it('refuses bytes that are no UTF-8, and texts without end', async () => {
  const bytes = Uint8Array.of(0xff, 0xfe, 0x41);
  expect(await post('/models/text-classification/predict', bytes, 'text/plain')).toMatchObject({ status: 400, text: expect.stringMatching(/not UTF-8/) as string });
  expect(await post('/models/text-classification/predict', new Uint8Array([...Buffer.from('{"text": "'), 0xff, ...Buffer.from('"}')]))).toMatchObject({ status: 400 });
  expect(await post('/models/text-classification/predict', 'a'.repeat(10_000_000), 'text/plain')).toMatchObject({ status: 413, text: expect.stringMatching(/more than the 1000000/) as string });
  expect(await post('/models/text-classification/predict', 'good', 'text/plain')).toMatchObject({ status: 200 });
});
