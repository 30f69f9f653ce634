/** The microphone as a stream: piece by piece to the server, which carries on from the piece before, and the answers as one. */
import { useEffect, useRef, useState } from 'react';
import { postJson, ServerError, type Answer } from './api.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { Icon } from './icons.tsx';
import { clock } from './inputs/clock.ts';
import { encodeWave } from './inputs/encode-wave.ts';
import { readAsDataUrl } from './inputs/read-files.ts';
import { openMicrophone, type Microphone } from './inputs/record.ts';
import { formatJson } from './json.ts';
import { joinPieces } from './outputs/joined-pieces.ts';

/** Tenths of a second of one piece. */
const pieceLength = 5;
/** A forgotten microphone ends by itself. */
const longestSeconds = 600;

export interface ListeningProps {
  readonly endpoint: Endpoint;
  readonly value: unknown;
  readonly onAnswer: (answer: Answer) => void;
  readonly onFailure: (error: ServerError) => void;
}

interface Stream {
  readonly microphone: Microphone;
  /** Sends what was heard; the last time it ends the stream. */
  end(): void;
}

export function Listening({ endpoint, value, onAnswer, onFailure }: ListeningProps) {
  const [heard, setHeard] = useState<{ readonly seconds: number; readonly level: number }>();
  const [problem, setProblem] = useState<string>();
  const stream = useRef<Stream | undefined>(undefined);
  useEffect(() => () => stream.current?.end(), []);

  const stop = (): void => {
    stream.current?.end();
    stream.current = undefined;
    setHeard(undefined);
  };
  const begin = async (): Promise<void> => {
    setProblem(undefined);
    setHeard({ seconds: 0, level: 0 });
    const name = crypto.randomUUID();
    const started = value;
    const pieces: Float32Array[] = [];
    let tenths = 0;
    let whole: Answer | undefined;
    let sending: Promise<void> = Promise.resolve();
    let failed = false;
    let rate = 0;
    const flush = (last: boolean): void => {
      const wave = encodeWave(pieces.splice(0, last ? pieces.length : pieceLength), rate);
      // One after the other: the stream has an order.
      sending = sending.then(async () => {
        if (failed) return;
        try {
          const body = endpoint.body(endpoint.listen!.place(started, { audio: await readAsDataUrl(wave), stream: name, last }));
          const answer = await postJson(endpoint.path, body, new AbortController().signal);
          const joined = joinPieces(whole?.value, answer.value);
          whole = { text: formatJson(joined), value: joined, timing: answer.timing };
          onAnswer(whole);
        } catch (error) {
          failed = true;
          setProblem(error instanceof Error ? error.message : String(error));
          if (error instanceof ServerError) onFailure(error);
          stop();
        }
      });
    };
    try {
      const microphone = await openMicrophone(endpoint.listen!.sampleRate, (samples) => {
        pieces.push(samples);
        tenths++;
        setHeard({ seconds: tenths / 10, level: Math.max(...samples.map(Math.abs)) });
        // One is kept back, so that there is a last one.
        if (rate > 0 && pieces.length > pieceLength) flush(false);
        if (tenths >= longestSeconds * 10) stop();
      });
      rate = microphone.sampleRate;
      stream.current = {
        microphone,
        end: () => {
          microphone.stop();
          if (!failed && pieces.length > 0) flush(true);
        },
      };
    } catch {
      setHeard(undefined);
      setProblem('The microphone could not be opened. Allow it for this page.');
    }
  };

  if (!('mediaDevices' in navigator) || !('AudioWorkletNode' in globalThis)) return null;
  return (
    <div className="listening">
      {heard === undefined
        ? <button type="button" className="button" onClick={() => void begin()}><Icon name="microphone" size={14} />Listen live</button>
        : (
          <div className="recording" role="group" aria-label="Listening">
            <button type="button" className="button" autoFocus onClick={stop}><Icon name="stop" size={14} />Stop listening</button>
            <span className="level" aria-hidden="true"><i style={{ transform: `scaleX(${Math.min(1, heard.level * 1.6)})` }} /></span>
            <span className="caption number">{clock(heard.seconds)}</span>
          </div>
        )}
      {problem !== undefined && <p className="field-about" role="status">{problem}</p>}
    </div>
  );
}
