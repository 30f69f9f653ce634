/** A recording as a picture of its loudness, with a player. */
import { useEffect, useRef, useState } from 'react';
import { peaksOf } from './inputs/decode-sound.ts';

const bars = 160;
const height = 48;

export interface WaveformProps {
  /** A data URL. */
  readonly source: string;
  /** Where the player is, in seconds, while it moves. */
  readonly onTime?: (seconds: number) => void;
}

export function Waveform({ source, onTime }: WaveformProps) {
  const player = useRef<HTMLAudioElement>(null);
  const [sound, setSound] = useState<{ readonly source: string; readonly peaks: Float32Array; readonly seconds: number }>();
  const [share, setShare] = useState(0);
  const [playable, setPlayable] = useState(true);

  useEffect(() => {
    let left = false;
    void peaksOf(source, bars).then((found) => {
      if (!left && found !== undefined) setSound({ source, ...found });
    });
    return () => {
      left = true;
    };
  }, [source]);

  const loudest = sound === undefined ? 1 : Math.max(0.05, ...sound.peaks);
  const shown = sound?.source === source ? sound : undefined;
  return (
    <>
      <svg
        className="waveform"
        viewBox={`0 0 ${bars} ${height}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={shown === undefined ? 'Recording' : `Recording of ${shown.seconds.toFixed(1)} seconds`}
        onClick={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          if (player.current !== null && shown !== undefined) player.current.currentTime = ((event.clientX - box.left) / box.width) * shown.seconds;
        }}
      >
        {shown !== undefined && [...shown.peaks].map((peak, index) => {
          const size = Math.max(1, (peak / loudest) * (height - 4));
          return <rect key={index} className={index / bars < share ? 'played' : undefined} x={index + 0.2} width={0.6} y={(height - size) / 2} height={size} />;
        })}
      </svg>
      {playable && (
        <audio
          ref={player}
          controls
          src={source}
          aria-label="Player"
          onError={() => setPlayable(false)}
          onTimeUpdate={(event) => {
            const { currentTime, duration } = event.currentTarget;
            setShare(duration > 0 ? currentTime / duration : 0);
            onTime?.(currentTime);
          }}
        />
      )}
    </>
  );
}
