/** Sound: recorded, dropped, pasted or chosen. The value is a data URL; what is recorded is a WAVE file. */
import { useEffect, useRef, useState } from 'react';
import { Icon } from '../icons.tsx';
import { Waveform } from '../waveform.tsx';
import { clock } from './clock.ts';
import { DropZone } from './drop-zone.tsx';
import type { ControlProps } from './field-form.tsx';
import { formatSize, sizeBytesOf } from '../data-url.ts';
import { nameOf, readAsDataUrl } from './read-files.ts';
import { openMicrophone, type Microphone } from './record.ts';
import { asWave } from './decode-sound.ts';
import { encodeWave } from './encode-wave.ts';

/** A forgotten microphone ends by itself. */
const longestSeconds = 600;

export function AudioControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'audio'>) {
  const [recording, setRecording] = useState<{ readonly seconds: number; readonly level: number }>();
  const [refused, setRefused] = useState<string>();
  const microphone = useRef<Microphone | undefined>(undefined);
  const pieces = useRef<Float32Array[]>([]);
  const sound = typeof value === 'string' && value !== '' ? value : undefined;

  useEffect(() => () => microphone.current?.stop(), []);

  const take = async (file: File): Promise<void> => {
    setRefused(undefined);
    try {
      onChange(await readAsDataUrl(field.sampleRate === undefined ? file : await asWave(file, field.sampleRate)));
    } catch {
      setRefused(`${file.name} is no sound that this browser can read. WAV always works.`);
    }
  };
  const begin = async (): Promise<void> => {
    setRefused(undefined);
    pieces.current = [];
    setRecording({ seconds: 0, level: 0 });
    try {
      microphone.current = await openMicrophone(field.sampleRate, (samples) => {
        pieces.current.push(samples);
        const seconds = pieces.current.length / 10;
        setRecording({ seconds, level: Math.max(...samples.map(Math.abs)) });
        if (seconds >= longestSeconds) end();
      });
    } catch {
      setRecording(undefined);
      setRefused('The microphone could not be opened. Allow it for this page, or choose a file.');
    }
  };
  const end = (): void => {
    const opened = microphone.current;
    microphone.current = undefined;
    opened?.stop();
    setRecording(undefined);
    if (opened === undefined || pieces.current.length === 0) return;
    void readAsDataUrl(new File([encodeWave(pieces.current, opened.sampleRate)], 'recording.wav', { type: 'audio/wav' })).then(onChange);
  };

  const canRecord = 'mediaDevices' in navigator && 'AudioWorkletNode' in globalThis;
  return (
    <div className="audio-field">
      {recording !== undefined
        ? (
          <div className="recording" role="group" aria-label="Recording">
            <button type="button" className="button" autoFocus onClick={end}><Icon name="stop" size={14} />Stop recording</button>
            <span className="level" aria-hidden="true"><i style={{ transform: `scaleX(${Math.min(1, recording.level * 1.6)})` }} /></span>
            <span className="caption number">{clock(recording.seconds)}</span>
          </div>
        )
        : sound === undefined
          ? (
            <DropZone id={id} title={field.title} icon="sound" hint="Drop a recording, or choose one" accept="audio/*" many={false} invalid={invalid} describedBy={describedBy} onFiles={(files) => void take(files[0]!)}>
              {canRecord && <button type="button" className="button" onClick={() => void begin()}><Icon name="microphone" size={14} />Record</button>}
            </DropZone>
          )
          : (
            <div className="sound">
              <Waveform source={sound} />
              <div className="sound-foot">
                <span className="caption file-name">{nameOf(sound) ?? 'Recording'} · {formatSize(sizeBytesOf(sound))}</span>
                {canRecord && <button type="button" className="button plain icon" aria-label="Record again" title="Record again" onClick={() => void begin()}><Icon name="microphone" /></button>}
                <button type="button" id={id} className="button plain icon" aria-label="Remove the recording" title="Remove" onClick={() => onChange(undefined)}><Icon name="trash" /></button>
              </div>
            </div>
          )}
      {refused !== undefined && <p className="field-about" role="status">{refused}</p>}
    </div>
  );
}
