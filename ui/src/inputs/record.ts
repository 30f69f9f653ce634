/** The microphone, as pieces of sound. */
export interface Microphone {
  readonly sampleRate: number;
  /** Switches it off. */
  stop(): void;
}

/** `onPiece` gets a tenth of a second at a time. Rejects where the person or the browser does not allow it. */
export async function openMicrophone(sampleRate: number | undefined, onPiece: (samples: Float32Array) => void): Promise<Microphone> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  let closed = false;
  const close = (): void => {
    closed = true;
    for (const track of stream.getTracks()) track.stop();
  };
  try {
    const { context, source } = listen(stream, sampleRate);
    await context.audioWorklet.addModule(new URL('./recording-worklet.js', import.meta.url));
    const worklet = new AudioWorkletNode(context, 'recording', { numberOfInputs: 1, numberOfOutputs: 1, channelCount: 1, channelCountMode: 'explicit' });
    // What was on its way when it was switched off is not heard any more.
    worklet.port.addEventListener('message', (event: MessageEvent<Float32Array>) => {
      if (!closed) onPiece(event.data);
    });
    worklet.port.start();
    // A node that leads nowhere is not run; this one gives silence.
    source.connect(worklet).connect(context.destination);
    await context.resume();
    return {
      sampleRate: context.sampleRate,
      stop: () => {
        close();
        void context.close();
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** At the wanted rate where the browser can resample a microphone, else at its own: servers resample too. */
function listen(stream: MediaStream, sampleRate: number | undefined): { readonly context: AudioContext; readonly source: MediaStreamAudioSourceNode } {
  if (sampleRate !== undefined) {
    const context = new AudioContext({ sampleRate });
    try {
      return { context, source: context.createMediaStreamSource(stream) };
    } catch {
      void context.close();
    }
  }
  const context = new AudioContext();
  return { context, source: context.createMediaStreamSource(stream) };
}
