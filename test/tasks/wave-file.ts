/** WAVE files for tests. */

export interface WaveOptions {
  readonly sampleRate?: number;
  readonly channels?: number;
  readonly bits?: number;
  /** 1 integers, 3 floats, 6 A-law, 7 µ-law. */
  readonly code?: number;
  readonly extensible?: boolean;
  /** Chunks before the format. */
  readonly before?: Uint8Array;
  /** What the data chunk says that its size is. */
  readonly dataSize?: number;
}

/** Samples from −1 to 1, channels interleaved; 16-bit mono at 16 kHz unless said otherwise. */
export function waveFile(samples: readonly number[], options: WaveOptions = {}): Uint8Array {
  const { sampleRate = 16_000, channels = 1, bits = 16, code = 1, extensible = false, before = new Uint8Array(0) } = options;
  const bytes = bits / 8;
  const data = Buffer.alloc(samples.length * bytes);
  samples.forEach((sample, index) => {
    const at = index * bytes;
    if (code === 3) return bits === 32 ? data.writeFloatLE(sample, at) : data.writeDoubleLE(sample, at);
    if (code !== 1) return data.writeUInt8(sample, at);
    if (bits === 8) return data.writeUInt8(Math.round(sample * 127) + 128, at);
    return data.writeIntLE(Math.max(-(2 ** (bits - 1)), Math.min(2 ** (bits - 1) - 1, Math.round(sample * 2 ** (bits - 1)))), at, bytes);
  });
  const format = Buffer.alloc(extensible ? 40 : 16);
  format.writeUInt16LE(extensible ? 0xfffe : code, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(sampleRate, 4);
  format.writeUInt32LE(sampleRate * channels * bytes, 8);
  format.writeUInt16LE(channels * bytes, 12);
  format.writeUInt16LE(bits, 14);
  if (extensible) {
    format.writeUInt16LE(22, 16);
    format.writeUInt16LE(code, 24);
  }
  const chunk = (name: string, content: Uint8Array, size = content.length): Buffer => {
    const head = Buffer.alloc(8);
    head.write(name, 0, 'latin1');
    head.writeUInt32LE(size, 4);
    return Buffer.concat([head, content, Buffer.alloc(content.length % 2)]);
  };
  const body = Buffer.concat([before, chunk('fmt ', format), chunk('data', data, options.dataSize ?? data.length)]);
  const head = Buffer.from('RIFF....WAVE', 'latin1');
  head.writeUInt32LE(body.length + 4, 4);
  return new Uint8Array(Buffer.concat([head, body]));
}
