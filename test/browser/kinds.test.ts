/** Every kind of input and output, in a real browser against a service with made-up answers (showcase.ts). */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from './chromium.ts';
import { exampleModels, serve, type Served } from './served.ts';
import { visit, type Visit } from './visit.ts';

describe.skipIf(chromiumPath === undefined)('every kind of value', () => {
  let browser: Browser;
  let served: Served;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelport-kinds-'));
    [browser, served] = await Promise.all([launchChromium(), serve([join(import.meta.dirname, '../fixtures/text/text-generation'), join(exampleModels, 'iris'), join(exampleModels, 'digits'), join(import.meta.dirname, 'showcase.ts')], ['--cache-dir', join(folder, 'cache')])]);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (endpoint: string): Promise<Visit> => visit(browser, `${served.url}#/models/${endpoint}`);
  const output = (page: Page) => page.getByTestId('output');
  const send = (page: Page) => page.getByRole('button', { name: /^(?:Run|Send)(?: [\d,]+)?$/ }).click();
  const settled = (page: Page) => page.locator('section[aria-label=Output][aria-busy=false] [data-testid=output][data-stale=false]').waitFor();

  test('boxes are drawn on the picture; fewer, the surer they must be', async () => {
    await using opened = await open('show.boxes');
    const { page, printed } = opened;
    const polygons = output(page).locator('polygon');
    await expect.poll(() => polygons.count()).toBe(3);
    const [mark, picture] = await Promise.all([polygons.first().boundingBox(), output(page).locator('.marked img').boundingBox()]);
    // The house is from 30 to 70 of 160 pixels.
    expect((mark!.x - picture!.x) / picture!.width).toBeCloseTo(30 / 160, 1);
    expect(mark!.width / picture!.width).toBeCloseTo(40 / 160, 1);
    // Each is named where it is.
    expect(await output(page).locator('.mark-tag').allTextContents()).toEqual(['house', 'van', 'house']);
    const tag = await output(page).locator('.mark-tag').first().boundingBox();
    expect([Math.round(tag!.x - mark!.x), Math.round(tag!.y - mark!.y)].every((away) => Math.abs(away) <= 3)).toBe(true);
    await output(page).getByRole('slider', { name: 'Least score' }).fill('0.5');
    await expect.poll(() => polygons.count()).toBe(2);
    expect(await output(page).locator('.found-list li').allTextContents()).toEqual(['house94.0 %', 'van61.0 %']);
    expect(printed).toEqual([]);
  });

  test('masks cover the picture, and each can be hidden', async () => {
    await using opened = await open('show.masks');
    const { page } = opened;
    await settled(page);
    await expect.poll(() => output(page).locator('.mask').count()).toBe(2);
    await output(page).getByRole('button', { name: /ground/ }).click();
    await expect.poll(() => output(page).locator('.mask').count()).toBe(1);
  });

  test('entities are highlighted where they stand, behind an emoji too', async () => {
    await using opened = await open('show.entities');
    const { page } = opened;
    const marks = output(page).locator('mark');
    await expect.poll(() => marks.allTextContents()).toEqual(['Ada person', 'Lovelace person', 'Charles person', 'Babbage person', 'London place']);
    await page.getByRole('button', { name: 'nobody is here' }).click();
    await output(page).getByText('Nothing was found in it.').waitFor();
    expect(await output(page).locator('.highlighted').textContent()).toBe('nobody is here');
  });

  test('an answer is shown in its text', async () => {
    await using opened = await open('show.answer');
    await expect.poll(() => output(opened.page).locator('.headline').textContent()).toBe('30487.0 %');
    expect(await output(opened.page).locator('mark').textContent()).toBe('304');
  });

  test('a recording of the microphone is a WAVE file, and its loudness a line', async () => {
    await using opened = await open('show.loudness');
    const { page, printed } = opened;
    await output(page).locator('.chart-line').waitFor();
    await expect.poll(() => output(page).locator('.chart-stretch').count()).toBe(3);
    await page.getByRole('button', { name: 'Remove the recording' }).click();
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    await expect.poll(async () => Number((await page.locator('.recording .number').textContent())!.replace('0:', '')), { timeout: 10_000 }).toBeGreaterThan(0.4);
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await page.getByText(/recording\.wav · /).waitFor();
    const asked = page.waitForRequest((request) => request.method() === 'POST');
    await send(page);
    const { audio } = (await asked).postDataJSON() as { audio: string };
    const bytes = Buffer.from(audio.replace('data:audio/wav;base64,', ''), 'base64');
    expect(bytes.subarray(0, 4).toString()).toBe('RIFF');
    expect(bytes.length).toBe(44 + bytes.readUInt32LE(40));
    expect(bytes.readUInt32LE(40) / 2 / bytes.readUInt32LE(24)).toBeGreaterThan(0.3);
    await settled(page);
    expect(printed).toEqual([]);
  });

  test('the microphone is heard piece by piece, in one stream', async () => {
    await using opened = await open('show.ears');
    const { page, printed } = opened;
    const sent: { stream: string; end: boolean }[] = [];
    page.on('request', (request) => request.method() === 'POST' && sent.push(request.postDataJSON() as (typeof sent)[number]));
    await page.getByRole('button', { name: 'Listen live' }).click();
    await expect.poll(() => output(page).locator('.chart title').textContent().catch(() => ''), { timeout: 10_000 }).toContain('2 values from 0 to');
    await page.getByRole('button', { name: 'Stop listening' }).click();
    await expect.poll(() => sent.at(-1)?.end).toBe(true);
    await expect.poll(() => output(page).locator('.facts').textContent()).toBe('EndedYes');
    expect(new Set(sent.map(({ stream }) => stream)).size).toBe(1);
    expect(await page.getByRole('button', { name: 'Listen live' }).count()).toBe(1);
    expect(printed).toEqual([]);
  });

  test('a table is pasted from a spreadsheet, mended by hand, and its answer sorted', async () => {
    await using opened = await open('show.totals');
    const { page } = opened;
    await settled(page);
    await page.getByRole('button', { name: 'Remove all' }).click();
    await page.getByRole('textbox', { name: 'article, row 1' }).focus();
    await page.evaluate(() => navigator.clipboard.writeText('Price\tArticle\tPieces\n2,5\tpen\t4\n1\trubber\t7\n30\tbag\tx\n'));
    await page.keyboard.press('Control+v');
    await expect.poll(() => page.getByRole('textbox', { name: 'price, row 1' }).inputValue()).toBe('2.5');
    await send(page);
    await expect.poll(() => page.locator('.field-problem').textContent()).toContain('Row 3: pieces is no number');
    await page.getByRole('textbox', { name: 'pieces, row 3' }).fill('1');
    await send(page);
    await settled(page);
    const cells = () => output(page).locator('tbody tr').allTextContents();
    await expect.poll(cells).toEqual(['pen10', 'rubber7', 'bag30']);
    await output(page).getByRole('button', { name: 'total' }).click();
    await expect.poll(cells).toEqual(['rubber7', 'pen10', 'bag30']);
  });

  test('a conversation goes on, word by word', async () => {
    await using opened = await open('show.chat');
    const { page, printed } = opened;
    const said = page.getByRole('log').locator('li p');
    await expect.poll(() => said.allTextContents()).toEqual(['tea or coffee', 'coffee or tea ']);
    await page.getByRole('textbox', { name: 'Your message' }).fill('one two three four five six seven eight nine ten');
    await page.keyboard.press('Enter');
    // It is read while it comes.
    await expect.poll(() => page.locator('.being-written').textContent()).toMatch(/^ten nine(?!.*one)/);
    await expect.poll(async () => (await said.allTextContents()).at(-1)).toBe('ten nine eight seven six five four three two one ');
    expect(await said.count()).toBe(4);
    expect(await page.getByRole('textbox', { name: 'Your message' }).inputValue()).toBe('');
    await expect.poll(() => page.getByTestId('timing').textContent()).toContain('10 parts');
    expect(printed).toEqual([]);
  });

  test('a stream is shown as it comes, and can be stopped', async () => {
    await using opened = await open('show.count');
    const { page } = opened;
    await settled(page);
    await page.locator('[data-field=to] input.entry').fill('500');
    await send(page);
    const rows = output(page).locator('tbody tr');
    await expect.poll(() => rows.count()).toBeGreaterThan(6);
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.locator('section[aria-label=Output][aria-busy=false]').waitFor();
    const shown = await rows.count();
    expect(shown).toBeLessThan(400);
    // The server stops, too.
    await expect.poll(async () => ((await (await fetch(`${served.url}ui/queue/show.count/1`)).json()) as { inProgress: number }).inProgress).toBe(0);
    expect(await rows.count()).toBe(shown);
  });

  test('waiting says how far it is and how many are before', async () => {
    await using opened = await open('show.slow');
    const { page } = opened;
    await page.locator('[data-field=seconds] input.entry').fill('1.5');
    await send(page);
    await expect.poll(() => page.locator('.waiting').textContent()).toMatch(/\d+ % · step \d of 4/);
    await settled(page);
    const others = [2, 2].map((seconds) => fetch(`${served.url}models/show.slow/predict`, { method: 'POST', body: JSON.stringify({ seconds, steps: 0 }), headers: { 'content-type': 'application/json' } }));
    await expect.poll(async () => ((await (await fetch(`${served.url}ui/queue/show.slow/1`)).json()) as { inProgress: number }).inProgress).toBe(2);
    await page.locator('[data-field=seconds] input.entry').fill('0.1');
    await send(page);
    await expect.poll(() => page.locator('.waiting').textContent(), { timeout: 4000 }).toMatch(/Waiting behind about [12] request/);
    await Promise.all(others);
    await settled(page);
  });

  test('tokens of a model are shown as they come', async () => {
    await using opened = await open('text-generation');
    const { page } = opened;
    await page.locator('[data-field=prompt] .entry').fill('I loved');
    await page.locator('[data-field=maxTokens] input.entry').fill('20');
    const asked = page.waitForRequest((request) => request.method() === 'POST');
    await send(page);
    const request = await asked;
    expect(request.url()).toBe(`${served.url}v2/models/text-generation/generate_stream`);
    await settled(page);
    const whole = await fetch(`${served.url}models/text-generation/predict`, { method: 'POST', body: '{"prompt":"I loved","maxTokens":20,"temperature":0}', headers: { 'content-type': 'application/json' } });
    expect(await output(page).locator('.text-output').textContent()).toBe(((await whole.json()) as { text: string }).text);
    expect(await page.getByTestId('timing').textContent()).toMatch(/\d+ parts/);
  });

  test('several files go up, files come down', async () => {
    await using opened = await open('show.files');
    const { page } = opened;
    await writeFile(join(folder, 'a.txt'), 'hello');
    await writeFile(join(folder, 'b.bin'), Buffer.alloc(1234));
    await send(page);
    await expect.poll(() => page.locator('.field-problem').textContent()).toContain('Drop or choose a file');
    await page.locator('input[type=file]').setInputFiles([join(folder, 'a.txt'), join(folder, 'b.bin')]);
    await expect.poll(() => page.locator('.file-list li').count()).toBe(2);
    await page.locator('input[type=date]').fill('2026-02-03');
    const asked = page.waitForRequest((request) => request.method() === 'POST');
    await send(page);
    expect(((await asked).postDataJSON() as { day: string }).day).toBe('2026-02-03');
    await settled(page);
    expect(await output(page).locator('tbody tr').allTextContents()).toEqual(['15', '21234']);
    expect(await output(page).locator('audio').count()).toBe(1);
    const saved = page.waitForEvent('download');
    await output(page).getByRole('button', { name: 'Download' }).last().click();
    expect(await readFile(await (await saved).path(), 'utf8')).toBe('hello');
  });

  test('captions are added and taken away; choices are pressed; numbers are pasted', async () => {
    await using opened = await open('show.captions');
    const { page } = opened;
    await settled(page);
    const entry = page.getByRole('textbox', { name: 'Captions: add' });
    await entry.fill('the longest caption of all');
    await entry.press('Enter');
    await page.getByRole('button', { name: 'Remove a cat' }).click();
    await page.getByRole('button', { name: 'large', exact: true }).click();
    await page.locator('[data-field=matrix] textarea').fill('1\t2\n3\t4');
    const asked = page.waitForRequest((request) => request.method() === 'POST');
    await send(page);
    expect((await asked).postDataJSON()).toEqual({ captions: ['a very small dog', 'the longest caption of all'], sizes: ['large'], matrix: [[1, 2], [3, 4]] });
    await settled(page);
    expect(await output(page).locator('.bar-label').allTextContents()).toEqual(['the longest caption of all', 'a very small dog']);
    await output(page).locator('.chart-line').waitFor();
  });

  test('rows by the dozen: answered, counted, saved, opened', async () => {
    await using opened = await open('iris');
    const { page } = opened;
    await settled(page);
    await page.getByRole('button', { name: 'Many at once' }).click();
    const rows = Array.from({ length: 40 }, (_, index) => (index === 7 ? '5.1,3.5,many,0.2' : index % 2 === 0 ? '5.1,3.5,1.4,0.2' : '7.7,2.6,6.9,2.3'));
    await page.locator('#batch-text').fill(`sepal_length,sepal_width,petal_length,petal_width\n${rows.join('\n')}`);
    await send(page);
    await page.getByText(/^40 of 40 · 1 failed/).waitFor();
    const answers = page.getByRole('region', { name: 'Results' }).locator('tbody tr');
    expect(await answers.count()).toBe(40);
    expect(await answers.nth(0).textContent()).toContain('setosa');
    expect(await answers.nth(1).textContent()).toContain('virginica');
    expect(await answers.nth(7).textContent()).toContain('“many” is no number');
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: 'CSV' }).click();
    const download = await saved;
    expect(download.suggestedFilename()).toMatch(/^iris-v1-.*\.csv$/);
    const lines = (await readFile(await download.path(), 'utf8')).trim().split('\r\n');
    expect(lines).toHaveLength(41);
    expect(lines[0]).toMatch(/^name,label,score/);
    await answers.nth(1).getByRole('button').click();
    await expect.poll(() => output(page).locator('.headline-label').textContent()).toBe('virginica');
    expect(await page.inputValue('[data-field=petal_length] input.entry')).toBe('6.9');
  });

  test('files by the dozen', async () => {
    await using opened = await open('digits');
    const { page } = opened;
    await settled(page);
    const example = await page.evaluate(async () => ((await (await fetch('ui/models')).json()) as { models: { name: string; versions: { served: { predict: { examples: { image: string }[] } } }[] }[] }).models.find(({ name }) => name === 'digits')!.versions[0]!.served.predict.examples[0]!.image);
    const picture = { name: 'digit.png', mimeType: 'image/png', buffer: Buffer.from(example.slice(example.indexOf(',') + 1), 'base64') };
    await page.getByRole('button', { name: 'Many at once' }).click();
    await page.locator('#batch-files').waitFor();
    await page.locator('input[type=file]').setInputFiles([...Array.from({ length: 12 }, (_, index) => ({ ...picture, name: `digit-${index}.png` })), { name: 'broken.png', mimeType: 'image/png', buffer: Buffer.from('no picture') }]);
    await send(page);
    await page.getByText(/^13 of 13 · 1 failed/).waitFor();
    const answers = page.getByRole('region', { name: 'Results' }).locator('tbody tr');
    expect(new Set(await answers.locator('td:nth-child(2)').allTextContents()).size).toBe(2);
    await page.getByRole('button', { name: 'One at a time' }).click();
    await page.locator('.paper').waitFor();
  });

  test('an answer is flagged, kept by the server, and downloaded', async () => {
    await using opened = await open('show.entities');
    const { page } = opened;
    await settled(page);
    await page.getByRole('button', { name: 'Flag', exact: true }).click();
    await page.getByRole('textbox', { name: /What is wrong/ }).fill('Ada Lovelace is one person');
    await page.getByRole('button', { name: 'Flag it' }).click();
    await expect.poll(() => page.locator('.toast').textContent()).toContain('Flagged');
    await page.getByRole('button', { name: 'Flag', exact: true }).click();
    const saved = page.waitForEvent('download');
    await page.getByRole('button', { name: '1 flagged' }).click();
    const [line] = (await readFile(await (await saved).path(), 'utf8')).trim().split('\n');
    const flag = JSON.parse(line!) as { note: string; model: string; input: { text: string }; output: { entities: unknown[] } };
    expect(flag).toMatchObject({ note: 'Ada Lovelace is one person', model: 'show.entities', version: '1' });
    expect(flag.input.text).toContain('Lovelace');
    expect(flag.output.entities).toHaveLength(5);
  });

  test('services stand beside models, in the list and in the gallery', async () => {
    await using opened = await visit(browser, `${served.url}#/gallery`);
    const { page } = opened;
    await page.getByRole('heading', { name: 'Gallery' }).waitFor();
    expect(await page.locator('.side .heading').allTextContents()).toEqual(['Models', 'Services']);
    await page.getByRole('button', { name: 'Service', exact: true }).click();
    await expect.poll(() => page.locator('.gallery-card').count()).toBe(12);
    await page.getByRole('searchbox', { name: 'Search the gallery' }).fill('adds up');
    await expect.poll(() => page.locator('.gallery-card').count()).toBe(1);
    await page.getByRole('link', { name: 'show.totals' }).last().click();
    await page.getByRole('heading', { name: 'show.totals' }).waitFor();
  });

  test('code of a stream runs in curl and TypeScript; Gradio’s client gets a file', async () => {
    await using opened = await open('show.count');
    const { page } = opened;
    await settled(page);
    await page.keyboard.press('c');
    const copied = async (language: string): Promise<string> => {
      await page.getByRole('tab', { name: language, exact: true }).click();
      await page.getByRole('button', { name: 'Copy', exact: true }).last().click();
      return page.evaluate(() => navigator.clipboard.readText());
    };
    const environment = { ...process.env, NO_PROXY: '*', no_proxy: '*' };
    const curl = await promisify(execFile)('bash', ['-c', await copied('curl')], { env: environment });
    expect(curl.stdout).toContain('data: {"n":5,"square":25}');
    const typescript = await copied('TypeScript');
    expect(typescript).toContain("from 'modelport/client'");
    const run = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', typescript], { env: environment, cwd: join(import.meta.dirname, '../..') });
    expect(run.stdout).toContain('n: 5, square: 25');
    expect(await copied('Python')).toContain('stream=True');
    await page.goto(`${served.url}#/models/show.boxes`);
    await page.getByRole('heading', { name: 'show.boxes' }).waitFor();
    const gradio = await copied('Gradio');
    const answered = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', gradio.replace('console.log(data)', 'console.log(JSON.stringify(data)); process.exit()')], { env: environment, cwd: join(import.meta.dirname, '../..') });
    expect(answered.stdout).toContain('van');
    expect(gradio).toMatch(/app\.predict\('\/show\.boxes', \{\n {2}image: await \(await fetch\('data:image\/bmp;base64,[\w+/=]+'\)\)\.blob\(\),\n\}\)/);
  });
});

describe.skipIf(chromiumPath === undefined)('where the server is open to others', () => {
  test('answers cannot be flagged without its management key', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'modelport-flags-'));
    const [browser, served] = await Promise.all([launchChromium(), serve([join(exampleModels, 'iris')], ['--host', '0.0.0.0', '--cache-dir', folder])]);
    try {
      const refused = await fetch(`${served.url}ui/flags/iris/1`, { method: 'POST', body: '{"input":"1","output":"2"}' });
      expect(refused.status).toBe(403);
      await using opened = await visit(browser, `${served.url}#/models/iris`);
      await opened.page.getByTestId('output').locator('.headline').waitFor();
      await opened.page.waitForLoadState('networkidle', { timeout: 2500 }).catch(() => {});
      expect(await opened.page.getByRole('button', { name: 'Share' }).count()).toBe(1);
      expect(await opened.page.getByRole('button', { name: 'Flag' }).count()).toBe(0);
    } finally {
      await browser.close();
      await served.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
