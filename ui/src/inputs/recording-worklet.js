/** Runs in the browser's sound thread: hands on what the microphone hears, a tenth of a second at a time. */
class Recording extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Float32Array(Math.round(sampleRate / 10));
    this.filled = 0;
  }

  process([input]) {
    for (const sample of input[0] ?? []) {
      this.samples[this.filled++] = sample;
      if (this.filled < this.samples.length) continue;
      this.port.postMessage(this.samples.slice());
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor('recording', Recording);
