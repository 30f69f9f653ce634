/** A worker thread that divides pictures and writes masks as PNG files. */
import { parentPort } from 'node:worker_threads';
import { toPlainError, type PlainError } from '../../errors.ts';
import { giveWayToEventLoop } from '../../lib/give-way.ts';
import { loadDecoder } from '../image/decode-image.ts';
import type { PreparedImage } from '../image/prepare-image.ts';
import { segmentPixels, type ScoreMap, type Segment, type SegmentPlan } from './segment-pixels.ts';

giveWayToEventLoop();

export interface SegmentJob {
  readonly map: ScoreMap;
  readonly plan: SegmentPlan;
  readonly place: Pick<PreparedImage, 'original' | 'placement' | 'width' | 'height'>;
}

export interface EncodedSegment extends Omit<Segment, 'mask'> {
  /** A PNG file in base64, one grey channel. */
  readonly png: string;
}

export type SegmentReply = { readonly segments: readonly EncodedSegment[] } | { readonly error: PlainError };

async function work({ map, plan, place }: SegmentJob): Promise<EncodedSegment[]> {
  const sharp = await loadDecoder();
  const { width, height } = place.original;
  const encoded: EncodedSegment[] = [];
  for (const { mask, ...segment } of segmentPixels(map, plan, place)) {
    const png = await sharp(mask, { raw: { width, height, channels: 1 } }).toColourspace('b-w').png().toBuffer();
    encoded.push({ ...segment, png: png.toString('base64') });
  }
  return encoded;
}

const port = parentPort!;

port.on('message', (job: SegmentJob) => {
  work(job).then(
    (segments) => port.postMessage({ segments } satisfies SegmentReply, []),
    (error: unknown) => port.postMessage({ error: toPlainError(error) } satisfies SegmentReply, []),
  );
});
