/** Ways of giving something to a form beside typing: dropped, pasted, photographed, recorded, filmed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chromiumPath, launchChromium } from './chromium.ts';
import { exampleModels, serve, type Served } from './served.ts';
import { visit, type Visit } from './visit.ts';

interface GivenFile {
  readonly name: string;
  readonly type: string;
  readonly bytes: readonly number[];
}

/** What a hand does with files above an element: `drop`, or `paste` wherever it is. */
function give(page: Page, kind: 'drop' | 'paste', selector: string, files: readonly GivenFile[]): Promise<void> {
  return page.evaluate(([how, where, given]) => {
    const data = new DataTransfer();
    for (const { name, type, bytes } of given) data.items.add(new File([new Uint8Array(bytes)], name, { type }));
    const target = document.querySelector(where)!;
    if (how === 'paste') target.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    else for (const name of ['dragover', 'drop']) target.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
  }, [kind, selector, files] as const);
}

/** A 2 × 2 PNG, all of it red. */
const red = [...Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEklEQVR4nGP4z8DAAMIM/////w8AH+cE/KkxQLcAAAAASUVORK5CYII=', 'base64')];
const text = (words: string): number[] => [...Buffer.from(words)];

describe.skipIf(chromiumPath === undefined)('given by hand', () => {
  let browser: Browser;
  let served: Served;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelport-giving-'));
    [browser, served] = await Promise.all([launchChromium(), serve([join(exampleModels, 'fuel'), join(import.meta.dirname, 'showcase.ts'), join(import.meta.dirname, 'extremes.ts')], ['--cache-dir', join(folder, 'cache')])]);
  });
  afterAll(async () => {
    await browser?.close();
    await served?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const open = (endpoint: string): Promise<Visit> => visit(browser, `${served.url}#/models/${endpoint}`);
  const posted = async (page: Page): Promise<Record<string, unknown>> => {
    const asked = page.waitForRequest((request) => request.method() === 'POST');
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    return (await asked).postDataJSON() as Record<string, unknown>;
  };
  const answered = (page: Page) => page.locator('section[aria-label=Output][aria-busy=false] [data-testid=output][data-stale=false]').waitFor();

  test('a picture is dropped; what is no picture is refused by name', async () => {
    await using opened = await open('far.crowd');
    const { page } = opened;
    await page.locator('.paper').waitFor();
    await give(page, 'drop', '.paper', [{ name: 'notes.txt', type: 'text/plain', bytes: text('hello') }]);
    await page.getByText('notes.txt is not an image.').waitFor();
    await give(page, 'drop', '.paper', [{ name: 'red.png', type: 'image/png', bytes: red }]);
    await page.locator('.paper img').waitFor();
    expect(await page.getByText('notes.txt is not an image.').count()).toBe(0);
    expect(await posted(page)).toEqual({ image: `data:image/png;base64,${Buffer.from(red).toString('base64')}` });
    await answered(page);
    expect(await page.locator('[data-testid=output] polygon').count()).toBe(1500);
    expect(await page.locator('.found-list li').count()).toBe(200);
    await page.getByText('1300 more; Download has all.').waitFor();
  });

  test('a picture is pasted wherever one is on the page', async () => {
    await using opened = await open('far.crowd');
    const { page } = opened;
    await page.locator('.paper').waitFor();
    await give(page, 'paste', 'h1', [{ name: 'red.png', type: 'image/png', bytes: red }]);
    await page.locator('.paper img').waitFor();
    expect((await posted(page))['image']).toMatch(/^data:image\/png;base64,/);
  });

  /** Keeps what the camera and the microphone gave, to see that it is switched off. */
  const watchDevices = (page: Page): Promise<unknown> => page.evaluate(() => {
    const streams: MediaStream[] = [];
    Object.assign(globalThis, { devices: () => streams.flatMap((stream) => stream.getTracks().map(({ kind, readyState }) => `${kind} ${readyState}`)) });
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => {
      const stream = await ask(wanted);
      streams.push(stream);
      return stream;
    };
  });
  const devices = (page: Page): Promise<string[]> => page.evaluate(() => (globalThis as unknown as { devices(): string[] }).devices());

  test('a picture is taken with the camera, which is switched off then', async () => {
    await using opened = await open('far.crowd');
    const { page, printed } = opened;
    await watchDevices(page);
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.getByRole('button', { name: 'Take the picture' }).click();
    await page.locator('.paper img').waitFor();
    await expect.poll(() => devices(page)).toEqual(['video ended']);
    const { image } = await posted(page) as { image: string };
    // The picture of Chromium's made-up camera is green.
    const pixel = await page.evaluate(async (source) => {
      const picture = new Image();
      picture.src = source;
      await picture.decode();
      const canvas = document.createElement('canvas').getContext('2d')!;
      canvas.drawImage(picture, 0, 0);
      return [picture.naturalWidth, ...canvas.getImageData(20, 100, 1, 1).data];
    }, image);
    expect(image).toMatch(/^data:image\/jpeg;base64,/);
    expect(pixel[0]).toBeGreaterThanOrEqual(320);
    expect(pixel[2]! - Math.max(pixel[1]!, pixel[3]!)).toBeGreaterThan(60);
    expect(printed).toEqual([]);
  });

  test('a camera that is left is switched off, one that is forbidden is said', async () => {
    await using opened = await open('far.crowd');
    const { page } = opened;
    await watchDevices(page);
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await expect.poll(() => devices(page), { timeout: 15_000 }).toEqual(['video live']);
    await page.getByRole('link', { name: 'fuel' }).click();
    await page.getByRole('heading', { name: 'fuel' }).waitFor();
    await expect.poll(() => devices(page)).toEqual(['video ended']);
    await page.evaluate(() => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));
      location.hash = '#/models/far.crowd';
    });
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.getByText('The camera could not be opened. Allow it for this page, or choose a file.').waitFor();
    expect(await page.locator('video').count()).toBe(0);
    await page.evaluate(() => { location.hash = '#/models/far.speech'; });
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    await page.getByText('The microphone could not be opened. Allow it for this page, or choose a file.').waitFor();
  });

  test('a recording is made at the rate that the model wants, and the microphone switched off', async () => {
    await using opened = await open('far.speech');
    const { page, printed } = opened;
    await page.getByRole('button', { name: 'Record', exact: true }).waitFor();
    await watchDevices(page);
    await page.getByRole('button', { name: 'Record', exact: true }).click();
    await expect.poll(async () => Number((await page.locator('.recording .number').textContent())!.replace('0:', '')), { timeout: 15_000 }).toBeGreaterThan(0.4);
    await page.getByRole('button', { name: 'Stop recording' }).click();
    await expect.poll(() => devices(page)).toEqual(['audio ended']);
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await answered(page);
    expect(await page.getByTestId('output').locator('.facts').textContent()).toMatch(/^HeadRIFFRate8000Seconds/);
    expect(printed).toEqual([]);
  });

  test('a webm recording is a WAVE file when it is sent', async () => {
    await using opened = await open('far.speech');
    const { page } = opened;
    await page.locator('.drop-zone').waitFor();
    const webm = await page.evaluate(async () => {
      const context = new AudioContext();
      const tone = new OscillatorNode(context, { frequency: 300 });
      const sink = context.createMediaStreamDestination();
      tone.connect(sink);
      tone.start();
      const recorder = new MediaRecorder(sink.stream, { mimeType: 'audio/webm' });
      const pieces: Blob[] = [];
      recorder.addEventListener('dataavailable', ({ data }) => pieces.push(data));
      recorder.start();
      await new Promise((resolve) => setTimeout(resolve, 700));
      await new Promise((resolve) => {
        recorder.addEventListener('stop', resolve);
        recorder.stop();
      });
      return [...new Uint8Array(await new Blob(pieces).arrayBuffer())];
    });
    await give(page, 'drop', '.drop-zone', [{ name: 'voice.webm', type: 'audio/webm', bytes: webm }]);
    await page.getByText(/^voice\.wav · /).waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    await answered(page);
    expect(await page.getByTestId('output').locator('.facts').textContent()).toMatch(/^HeadRIFFRate8000Seconds0\.[2-9]/);
    await page.getByRole('button', { name: 'Remove the recording' }).click();
    await give(page, 'drop', '.drop-zone', [{ name: 'broken.webm', type: 'audio/webm', bytes: text('no sound') }]);
    await page.getByText('broken.webm is no sound that this browser can read. WAV always works.').waitFor();
  });

  test('a film goes up, is shown, and comes down', async () => {
    await using opened = await open('far.cinema');
    const { page } = opened;
    await page.locator('.drop-zone').waitFor();
    const film = await page.evaluate(async () => {
      const canvas = document.createElement('canvas');
      canvas.width = 64;
      canvas.height = 48;
      const context = canvas.getContext('2d')!;
      const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: 'video/webm;codecs=vp8' });
      const pieces: Blob[] = [];
      recorder.addEventListener('dataavailable', ({ data }) => pieces.push(data));
      recorder.start();
      for (let frame = 0; frame < 10; frame++) {
        context.fillStyle = frame % 2 === 0 ? 'teal' : 'white';
        context.fillRect(0, 0, 64, 48);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      await new Promise((resolve) => {
        recorder.addEventListener('stop', resolve);
        recorder.stop();
      });
      return [...new Uint8Array(await new Blob(pieces).arrayBuffer())];
    });
    await give(page, 'paste', 'body', [{ name: 'film.webm', type: 'video/webm', bytes: film }]);
    await page.locator('.file-list').getByText('film.webm').waitFor();
    await page.getByRole('button', { name: 'Run', exact: true }).click();
    const video = page.getByTestId('output').locator('video');
    await expect.poll(() => video.evaluate((element: HTMLVideoElement) => element.videoWidth).catch(() => 0), { timeout: 15_000 }).toBe(64);
    const saved = page.waitForEvent('download');
    await page.getByTestId('output').getByRole('button', { name: 'Download' }).click();
    expect((await saved).suggestedFilename()).toBe('film.webm');
  });

  test('a CSV file dropped on a table adds its rows; a workbook is refused with what to do', async () => {
    await using opened = await open('show.totals');
    const { page } = opened;
    await page.getByRole('textbox', { name: 'article, row 2' }).waitFor();
    await give(page, 'drop', '.table-field', [{ name: 'orders.xlsx', type: 'application/vnd.ms-excel', bytes: [0x50, 0x4b, 3, 4, 0, 0, 9] }]);
    await page.getByText('orders.xlsx is no text. Save the sheet as CSV, or copy its cells and paste them.').waitFor();
    await give(page, 'drop', '.table-field', [{ name: 'orders.csv', type: 'text/csv', bytes: text('article;pieces;price\r\n"a ""pen""";3;1,5\r\n') }]);
    await expect.poll(() => page.getByRole('textbox', { name: 'article, row 3' }).inputValue()).toBe('a "pen"');
    const { orders } = await posted(page) as { orders: unknown[] };
    expect(orders).toHaveLength(3);
    expect(orders[2]).toEqual({ article: 'a "pen"', pieces: 3, price: 1.5 });
  });

  test('a file of rows dropped on “many at once” is its text', async () => {
    await using opened = await open('fuel');
    const { page } = opened;
    await page.getByRole('button', { name: 'Many at once' }).click();
    await page.locator('#batch-text').waitFor();
    await give(page, 'drop', '.batch-text', [{ name: 'cars.csv', type: 'text/csv', bytes: text('cylinders,displacement\n8,350\n4,97\n') }]);
    await expect.poll(() => page.locator('#batch-text').inputValue()).toContain('4,97');
    await page.getByRole('button', { name: 'Run 2' }).waitFor();
  });

  test.each([1280, 390])('a number can be read beside its unit at %i pixels, however long the unit', async (width) => {
    await using opened = await visit(browser, `${served.url}#/models/fuel`, { viewport: { width, height: 844 } });
    const { page } = opened;
    const entries = page.locator('.number-row input.entry');
    await entries.first().waitFor();
    for (const entry of await entries.all()) {
      const room = await entry.evaluate((element: HTMLInputElement) => {
        const style = getComputedStyle(element);
        const pane = element.closest('.pane')!.getBoundingClientRect();
        return { inside: element.clientWidth - Number.parseFloat(style.paddingLeft) - Number.parseFloat(style.paddingRight), over: element.getBoundingClientRect().right - pane.right };
      });
      expect(room.inside, await entry.getAttribute('id') ?? '').toBeGreaterThan(50);
      expect(room.over).toBeLessThan(0);
    }
    expect(await page.locator('[data-field=displacement]').textContent()).toContain('cubic inches');
  });

  test('what holds without being said is not sent', async () => {
    await using opened = await open('show.slow');
    const { page } = opened;
    await page.locator('[data-field=seconds] input.entry').fill('0');
    expect(await page.inputValue('[data-field=steps] input.entry')).toBe('4');
    expect(await posted(page)).toEqual({ seconds: 0 });
    await page.locator('[data-field=steps] input.entry').fill('2');
    expect(await posted(page)).toEqual({ seconds: 0, steps: 2 });
  });
});
