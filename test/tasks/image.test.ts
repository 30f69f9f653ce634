/** Decoding, resizing and normalizing pictures, against what Pillow and torchvision make of the same files. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { inflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { Call } from '../../src/call.ts';
import { isModelportError } from '../../src/errors.ts';
import { fromHalf } from '../../src/lib/half-float.ts';
import { decodeImage, readImageHeader } from '../../src/tasks/image/decode-image.ts';
import { imageElements } from '../../src/tasks/image/image-threads.ts';
import { planImageInput } from '../../src/tasks/image/image-input.ts';
import { imageOptions, type ImageOptions } from '../../src/tasks/image/image-options.ts';
import type { ImagePlan } from '../../src/tasks/image/image-plan.ts';
import { imageBytes } from '../../src/tasks/image/image-value.ts';
import { fit } from '../../src/tasks/image/prepare-image.ts';
import { fromPreprocessorConfig } from '../../src/tasks/image/preprocessor-config.ts';
import { crop, flatten, type Raster } from '../../src/tasks/image/raster.ts';
import { resize, resizeFilters, type ResizeFilter } from '../../src/tasks/image/resize.ts';
import type { Dimension } from '../../src/model.ts';
import type { Datatype } from '../../src/tensor.ts';
import { artifactIn, signatureOf, spec } from './fake-model.ts';

const folder = join(import.meta.dirname, '..', 'fixtures', 'images');
const read = (name: string) => new Uint8Array(readFileSync(join(folder, name)));

async function decode(bytes: Uint8Array, maxPixels = 1e7): Promise<Raster> {
  const options = { maxPixels, at: 'image' };
  return decodeImage(bytes, await readImageHeader(bytes, options), options);
}

function plan(shape: readonly Dimension[], given: ImageOptions = {}, datatype: Datatype = 'FP32'): ImagePlan {
  const signature = signatureOf([spec('image', datatype, shape)], [spec('scores', 'FP32', ['batch', 10])]);
  return planImageInput(signature, imageOptions.parse(given), artifactIn('/nowhere')).plan;
}

describe("Pillow's resize", () => {
  const index = JSON.parse(readFileSync(join(folder, 'resized.json'), 'utf8')) as { mode: string; filter: ResizeFilter; width: number; height: number; offset: number; bytes: number }[];
  const expected = inflateSync(readFileSync(join(folder, 'resized.bin.zlib')));

  it.each(index)('$mode $filter to $width × $height', async ({ mode, filter, width, height, offset, bytes }) => {
    const source = flatten(await decode(read('pattern.png')), mode === 'L' ? 'grayscale' : 'rgb', 255);
    const resized = resize(source, width, height, filter);
    expect(resized.data.length).toBe(bytes);
    let farthest = 0;
    resized.data.forEach((level, place) => {
      farthest = Math.max(farthest, Math.abs(level - expected[offset + place]!));
    });
    expect(farthest).toBe(0);
  });

  it('averages by covered area, and keeps the mean', () => {
    const image: Raster = { width: 3, height: 1, channels: 1, data: Uint8Array.of(0, 90, 240) };
    // Of three pixels, each of two covers one and a half.
    expect([...resize(image, 2, 1, 'area').data]).toEqual([30, 190]);
    expect([...resize(image, 1, 1, 'area').data]).toEqual([110]);
    expect([...resize(image, 6, 1, 'area').data]).toEqual([0, 0, 90, 90, 240, 240]);
  });

  it.each(resizeFilters)('%s keeps a plain picture plain and an equal size as it is', (filter) => {
    const plain: Raster = { width: 13, height: 7, channels: 3, data: new Uint8Array(13 * 7 * 3).fill(201) };
    expect(new Set(resize(plain, 5, 29, filter).data)).toEqual(new Set([201]));
    expect(resize(plain, 13, 7, filter)).toBe(plain);
  });
});

describe('files of every kind', () => {
  /** Red and green above, blue and white below. */
  function corners({ width, height, channels, data }: Raster): number[][] {
    const at = (x: number, y: number) => [...data.subarray((y * width + x) * channels, (y * width + x) * channels + 3)];
    return [at(4, 4), at(width - 5, 4), at(4, height - 5), at(width - 5, height - 5)];
  }
  const wanted = [[230, 20, 20], [20, 200, 20], [20, 20, 220], [240, 240, 240]];
  function expectCorners(raster: Raster, tolerance: number): void {
    expect([raster.width, raster.height]).toEqual([48, 32]);
    corners(flatten(raster, 'rgb', 255)).forEach((color, corner) => color.forEach((level, channel) => expect(Math.abs(level - wanted[corner]![channel]!), `corner ${corner}`).toBeLessThanOrEqual(tolerance)));
  }

  it.each(['upright.png', 'palette.png', 'upright.webp', 'upright.tiff', 'upright.gif', 'rgb16.png'])('%s', async (name) => expectCorners(await decode(read(name)), 1));
  it.each(['upright.avif', ...[2, 3, 4, 5, 6, 7, 8].map((orientation) => `orientation-${orientation}.jpg`)])('%s', async (name) => expectCorners(await decode(read(name)), 12));
  it('cmyk.jpg', async () => {
    const raster = flatten(await decode(read('cmyk.jpg')), 'rgb', 255);
    // Ink has its own idea of colours: only the strongest is sure.
    expect(corners(raster).map((color) => color.indexOf(Math.max(...color)))).toEqual([0, 1, 2, 0]);
    expect(Math.min(...corners(raster)[3]!)).toBeGreaterThan(220);
  });

  it('takes the size after the turn', async () => {
    expect(await readImageHeader(read('orientation-6.jpg'), { maxPixels: 1e6, at: 'image' })).toMatchObject({ width: 48, height: 32, format: 'JPEG' });
  });

  it.each(['grey.jpg', 'grey16.png'])('%s', async (name) => {
    const grey = flatten(await decode(read(name)), 'grayscale', 255);
    expect([grey.width, grey.height, grey.channels]).toEqual([48, 32, 1]);
    expect(Math.abs(grey.data.at(-1)! - 240)).toBeLessThanOrEqual(1);
  });

  it.each(['animated.gif', 'animated.webp'])('%s: the first frame', async (name) => {
    const raster = flatten(await decode(read(name)), 'rgb', 255);
    expect([raster.width, raster.height]).toEqual([48, 32]);
    expect([...raster.data.subarray(0, 3)]).toEqual([255, 0, 0]);
  });

  it('lays what is transparent on the background', async () => {
    const raster = await decode(read('alpha.png'));
    expect(raster.channels).toBe(4);
    const middle = (16 * 32 + 16) * 3;
    expect([...flatten(raster, 'rgb', 255).data.subarray(0, 3), flatten(raster, 'rgb', 255).data[middle]]).toEqual([255, 255, 255, 127]);
    expect([...flatten(raster, 'rgb', 0).data.subarray(0, 3), flatten(raster, 'rgb', 0).data[middle]]).toEqual([0, 0, 0, 0]);
  });
});

describe('what is no picture', () => {
  it.each([
    ['an empty file', new Uint8Array(0), /image is empty: send a picture/],
    ['text', Buffer.from('hello, I am a cat'), /image is not a picture that can be read here: its first bytes are 68 65 6c 6c/],
    ['a PDF file', Buffer.from('%PDF-1.7 and so on'), /it is a PDF file\. Send a JPEG, PNG/],
    ['an SVG file', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /it is an SVG file/],
    ['a BMP file', read('unsupported.bmp'), /it is a BMP file/],
    ['a JPEG file that is cut off', read('cut-off.jpg'), /image is a damaged JPEG file: \S/],
    ['a PNG file of nothing but its head', read('upright.png').subarray(0, 40), /image is a damaged PNG file: \S/],
    ['a small file that claims to be huge', read('bomb.png'), /image has 60000 × 60000 = 3600 million pixels, but at most 10 million are accepted/],
  ])('%s', async (_, bytes, message) => {
    await expect(decode(bytes)).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'image', message: expect.stringMatching(message) as string });
  });

  it('damaged bytes give a picture or INVALID_VALUE, and never anything else', async () => {
    const runs = Math.ceil(Number(process.env['MODELPORT_FUZZ_RUNS'] ?? 2000));
    const files = readdirSync(folder).filter((name) => /\.(png|jpg|gif|webp|tiff|avif)$/.test(name)).map(read);
    let state = 12345;
    const random = (limit: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * limit);
    };
    let refused = 0;
    for (let run = 0; run < runs; run++) {
      const bytes = files[random(files.length)]!.slice();
      for (let change = random(8); change >= 0; change--) bytes[random(bytes.length)] = random(256);
      const input = random(3) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
      try {
        const raster = await decode(input, 1e6);
        expect(raster.data.length).toBe(raster.width * raster.height * raster.channels);
      } catch (error) {
        if (!isModelportError(error) || error.code !== 'INVALID_VALUE') throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(runs / 10);
    expect(refused).toBeLessThan(runs);
  }, 120_000);
});

describe('values of pictures', () => {
  const bytes = read('upright.png');
  const base64 = Buffer.from(bytes).toString('base64');

  it.each([
    ['bytes', bytes],
    ['base64', base64],
    ['base64 in lines', base64.replace(/(.{30})/g, '$1\r\n')],
    ['base64 without padding', base64.replace(/=+$/, '')],
    ['a data URL', `data:image/png;base64,${base64}`],
    ['a data URL that claims another type', `data:image/jpeg;charset=x;base64,${base64}`],
  ])('%s', (_, value) => expect(Buffer.from(imageBytes(value, 'image')).equals(Buffer.from(bytes))).toBe(true));

  it.each([
    [undefined, /image is missing: send a data URL/],
    [null, /image is null, not a picture/],
    [7, /image is a number, not a picture/],
    [[1, 2], /image is an array, not a picture/],
    [{}, /image is an object, not a picture/],
    ['https://example.com/cat.png', /image is an address, and addresses are not fetched here/],
    ['data:image/png,abc', /image is a data URL without ";base64,"/],
    ['data:image/png;base64', /image is a data URL without ";base64,"/],
    ['what is this?', /image is neither a data URL nor base64 text/],
  ])('%j is refused', (value, message) => {
    expect(() => imageBytes(value, 'image')).toThrow(expect.objectContaining({ code: 'INVALID_VALUE', at: 'image', message: expect.stringMatching(message) as string }) as Error);
  });
});

describe('the plan', () => {
  it("equals torchvision's Resize, CenterCrop, ToTensor and Normalize", async () => {
    const elements = await imageElements(read('photo.jpg'), plan(['batch', 3, 32, 32], { resize: { shortestSide: 40 } }), 'image', new Call());
    const expected = new Float32Array(new Uint8Array(read('photo.f32')).buffer);
    expect(elements.length).toBe(expected.length);
    const oneLevel = 1 / 255 / 0.224;
    let far = 0;
    elements.forEach((element, place) => {
      if (Math.abs(element - expected[place]!) > oneLevel * 1.01) far++;
    });
    expect(far).toBeLessThanOrEqual(expected.length / 1000);
  });

  it.each<[readonly Dimension[], ImageOptions, Partial<ImagePlan>]>([
    [['batch', 3, 224, 224], {}, { layout: 'NCHW', color: 'rgb', width: 224, height: 224, scale: [1 / 255 / 0.229, 1 / 255 / 0.224, 1 / 255 / 0.225] }],
    [['batch', 96, 64, 3], {}, { layout: 'NHWC', color: 'rgb', width: 64, height: 96, scale: [1 / 255, 1 / 255, 1 / 255], offset: [0, 0, 0] }],
    [[1, 1, 28, 28], {}, { layout: 'NCHW', color: 'grayscale', scale: [1 / 255], offset: [0] }],
    [['batch', 3, 'height', 'width'], { size: 160 }, { width: 160, height: 160 }],
    [['batch', 3, 8, 8], { color: 'bgr' }, { scale: [1 / 255 / 0.225, 1 / 255 / 0.224, 1 / 255 / 0.229] }],
    [['batch', 3, 8, 8], { rescale: 1, mean: 127, std: [128] }, { scale: [1 / 128, 1 / 128, 1 / 128], offset: [-127 / 128, -127 / 128, -127 / 128] }],
    [['batch', 1, 28, 28], { drawing: true }, { drawing: { crop: true, size: 20, center: 'mass' } }],
  ])('%j %j', (shape, options, wanted) => expect(plan(shape, options)).toMatchObject(wanted));

  it.each<[readonly Dimension[], ImageOptions, Datatype, RegExp]>([
    [['batch', 10], {}, 'FP32', /input 'image' is FP32 \[batch, 10\], which is no picture: a picture has four axes/],
    [['batch', 3, 8, 8], {}, 'INT64', /which is no picture.*is FP32, FP16, FP64, UINT8/],
    [['batch', 3, 'height', 'width'], {}, 'FP32', /takes pictures of any size: say which one with task\.size, e\.g\. size: 224/],
    [['batch', 3, 8, 8], { size: 9 }, 'FP32', /task\.size is 9 × 9, but input 'image' takes 8 × 8/],
    [['batch', 3, 8, 8], { color: 'grayscale' }, 'FP32', /task\.color is grayscale, but input 'image' has 3 channels/],
    [['batch', 3, 8, 8], { mean: [1, 2] }, 'FP32', /task\.mean has 2 numbers, but the picture has 3 channels/],
    [['batch', 3, 8, 8], { std: 0 }, 'FP32', /task\.std is 0/],
    [['batch', 3, 8, 8], { resize: { shortestSide: 4 } }, 'FP32', /task\.resize\.shortestSide is 4, smaller than what is cut out of the picture \(8 × 8\)/],
    [['batch', 3, 8, 8], { input: 'imgae' }, 'FP32', /task\.input is 'imgae', but the model has no such input; did you mean 'image'\?/],
  ])('%j %j %s is refused', (shape, options, datatype, message) => {
    expect(() => plan(shape, options, datatype)).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) as string }) as Error);
  });

  const wide: Raster = { width: 4, height: 2, channels: 1, data: Uint8Array.of(10, 20, 30, 40, 50, 60, 70, 80) };
  it('cuts out the middle, stretches or pads', () => {
    const fitted = (options: ImageOptions) => [...fit(wide, plan(['batch', 1, 2, 2], { ...options, resize: { filter: 'nearest', ...options.resize } }), 'image').data];
    expect(fitted({})).toEqual([20, 30, 60, 70]);
    expect(fitted({ resize: { mode: 'stretch' } })).toEqual([20, 40, 60, 80]);
    expect(fitted({ resize: { mode: 'pad', padValue: 7 } })).toEqual([7, 7, 60, 80]);
  });

  it('never cuts more than there is, however long the picture', () => {
    for (const [width, height] of [[300, 2], [2, 300], [1, 1], [7, 5]] as const) {
      const image: Raster = { width, height, channels: 1, data: new Uint8Array(width * height).fill(99) };
      for (const mode of ['shortest-side', 'stretch'] as const) {
        const fitted = fit(image, plan(['batch', 1, 6, 9], { resize: { mode } }), 'image');
        expect([fitted.width, fitted.height, new Set(fitted.data)]).toEqual([9, 6, new Set([99])]);
      }
    }
  });

  it('writes channels in the layout, order and datatype of the input', async () => {
    const png = await sharp(Buffer.from([10, 20, 30, 110, 120, 130]), { raw: { width: 2, height: 1, channels: 3 } }).png().toBuffer();
    const elements = async (shape: readonly Dimension[], options: ImageOptions, datatype: Datatype = 'UINT8') => [...(await imageElements(png, plan(shape, { resize: { mode: 'stretch' }, ...options }, datatype), 'image', new Call()))];
    expect(await elements([1, 3, 1, 2], {})).toEqual([10, 110, 20, 120, 30, 130]);
    expect(await elements([1, 1, 2, 3], { layout: 'NHWC' })).toEqual([10, 20, 30, 110, 120, 130]);
    expect(await elements([1, 3, 1, 2], { color: 'bgr' })).toEqual([30, 130, 20, 120, 10, 110]);
    expect(await elements([1, 1, 2, 3], { layout: 'NHWC',  invert: true })).toEqual([245, 235, 225, 145, 135, 125]);
    expect(await elements([1, 1, 2, 3], { layout: 'NHWC',  rescale: 0.5 }, 'FP64')).toEqual([5, 10, 15, 55, 60, 65]);
    expect((await elements([1, 1, 2, 3], { layout: 'NHWC',  rescale: 0.5 }, 'FP16')).map(fromHalf)).toEqual([5, 10, 15, 55, 60, 65]);
    // Bytes hold no fractions and nothing below 0.
    expect(await elements([1, 1, 2, 3], { layout: 'NHWC',  mean: 25.4 })).toEqual([0, 0, 5, 85, 95, 105]);
  });

  it('crops outside of the picture with the fill', () => {
    expect([...crop(wide, -1, -1, 3, 2, 9).data]).toEqual([9, 9, 9, 9, 10, 20]);
    expect([...crop(wide, 9, 9, 2, 1, 3).data]).toEqual([3, 3]);
  });
});

describe("transformers' preprocessor_config.json", () => {
  const convert = (config: unknown) => fromPreprocessorConfig(JSON.stringify(config), 'preprocessor_config.json');

  it.each<[string, object, object]>([
    ['ViT', { size: { height: 224, width: 224 }, resample: 2, image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] },
      { size: { width: 224, height: 224 }, resize: { mode: 'stretch', filter: 'bilinear' }, rescale: 1 / 255, mean: [0.5, 0.5, 0.5] }],
    ['CLIP', { size: { shortest_edge: 224 }, do_center_crop: true, crop_size: { height: 224, width: 224 }, resample: 3 },
      { size: { width: 224, height: 224 }, resize: { mode: 'shortest-side', shortestSide: 224, filter: 'bicubic' } }],
    ['MobileNetV2', { size: { shortest_edge: 256 }, do_center_crop: true, crop_size: { height: 224, width: 224 }, resample: 2 },
      { size: { width: 224, height: 224 }, resize: { mode: 'shortest-side', shortestSide: 256 } }],
    ['ConvNeXt', { size: { shortest_edge: 224 }, crop_pct: 0.875, resample: 3 }, { size: { width: 224, height: 224 }, resize: { mode: 'shortest-side', shortestSide: 256 } }],
    ['not normalized', { size: 64, do_normalize: false, do_rescale: false, image_mean: [1, 2, 3] }, { size: { width: 64, height: 64 }, rescale: false, mean: 0, std: 1 }],
  ])('%s', (_, config, wanted) => expect(convert(config)).toMatchObject(wanted));

  it('says what is wrong', () => {
    expect(() => fromPreprocessorConfig('{', 'x.json')).toThrow(expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(/^x\.json is not JSON/) as string }) as Error);
    expect(() => convert({ resample: 'best' })).toThrow(/preprocessor_config\.json: resample: /);
  });
});

describe('the event loop', () => {
  it('is free while large pictures are prepared', async () => {
    const large = await sharp({ create: { width: 4000, height: 3000, channels: 3, background: 'teal' } }).jpeg().toBuffer();
    const small = plan(['batch', 3, 224, 224]);
    const twelve = () => Promise.all(Array.from({ length: 4 }, () => imageElements(large, small, 'image', new Call())));
    const first = await twelve();
    const delay = monitorEventLoopDelay({ resolution: 1 });
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    delay.enable();
    const second = await twelve();
    delay.disable();
    clearInterval(timer);
    // In the loop, four such pictures would leave it a handful of turns.
    expect(turns).toBeGreaterThan(30);
    expect(second[3]).toEqual(first[0]);
    expect(second[0]!.length).toBe(3 * 224 * 224);
  });

  it('gives the same elements in a thread and in the loop', async () => {
    const wide = await sharp(Buffer.from(Uint8Array.from({ length: 900 * 700 * 3 }, (_, place) => (place * 7919) % 251)), { raw: { width: 900, height: 700, channels: 3 } }).png().toBuffer();
    const options = plan(['batch', 3, 64, 64]);
    const inThread = await imageElements(wide, options, 'image', new Call());
    const raster = fit(await decode(wide), options, 'image');
    const level = (place: number) => raster.data[place]! / 255;
    expect(inThread[0]).toBeCloseTo((level(0) - 0.485) / 0.229, 5);
    expect(inThread[64 * 64 + 5]).toBeCloseTo((level(5 * 3 + 1) - 0.456) / 0.224, 5);
  });

  it('reports what is wrong with a large picture as with a small one', async () => {
    const large = await sharp({ create: { width: 3000, height: 2000, channels: 3, background: 'teal' } }).jpeg().toBuffer();
    await expect(imageElements(large.subarray(0, large.length / 2), plan(['batch', 3, 224, 224]), 'image', new Call())).rejects.toMatchObject({ code: 'INVALID_VALUE', at: 'image', message: expect.stringMatching(/damaged JPEG file/) as string });
  });

  it('refuses more than may wait, and goes on', async () => {
    const large = new Uint8Array(50 << 20);
    large.set(read('upright.png'));
    const options = plan(['batch', 3, 8, 8]);
    const results = await Promise.allSettled(Array.from({ length: 30 }, () => imageElements(large, options, 'image', new Call())));
    const refused = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused.length).toBeLessThan(30);
    for (const reason of refused) expect(reason).toMatchObject({ code: 'QUEUE_FULL', retryAfterSeconds: 1 });
    await expect(imageElements(read('upright.png'), options, 'image', new Call())).resolves.toHaveLength(192);
  });

  it('takes a picture out of the queue when its client goes away', async () => {
    const large = await sharp({ create: { width: 3000, height: 2000, channels: 3, background: 'teal' } }).jpeg().toBuffer();
    const calls = Array.from({ length: 24 }, () => new Call());
    const results = calls.map((call) => imageElements(large, plan(['batch', 3, 8, 8]), 'image', call));
    for (const call of calls.slice(1)) call.cancel();
    const settled = await Promise.allSettled(results);
    expect(settled.map((result) => result.status)).toEqual(['fulfilled', ...new Array<string>(23).fill('rejected')]);
    for (const result of settled.slice(1)) expect((result as PromiseRejectedResult).reason).toMatchObject({ code: 'CANCELLED' });
  });

  it('stops when the client has gone', async () => {
    const call = new Call();
    call.cancel();
    await expect(imageElements(read('photo.jpg'), plan(['batch', 3, 32, 32]), 'image', call)).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
