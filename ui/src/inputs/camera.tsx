import { useEffect, useEffectEvent, useRef, useState } from 'react';

export interface CameraProps {
  /** A JPEG as a data URL. */
  readonly onTake: (image: string) => void;
  readonly onFail: (reason: string) => void;
}

/** What the camera sees until a picture is taken; it is switched off when this leaves the page. */
export function Camera({ onTake, onFail }: CameraProps) {
  const video = useRef<HTMLVideoElement>(null);
  const [seeing, setSeeing] = useState(false);
  const fail = useEffectEvent(onFail);

  useEffect(() => {
    let stream: MediaStream | undefined;
    let left = false;
    navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } }).then(
      (opened) => {
        stream = opened;
        if (left) stopStream(opened);
        else if (video.current !== null) video.current.srcObject = opened;
      },
      () => fail('The camera could not be opened. Allow it for this page, or choose a file.'),
    );
    return () => {
      left = true;
      if (stream !== undefined) stopStream(stream);
    };
  }, []);

  const take = (): void => {
    const source = video.current;
    if (source === null) return;
    const canvas = document.createElement('canvas');
    canvas.width = source.videoWidth;
    canvas.height = source.videoHeight;
    canvas.getContext('2d')?.drawImage(source, 0, 0);
    onTake(canvas.toDataURL('image/jpeg', 0.92));
  };

  return (
    <>
      <video ref={video} autoPlay muted playsInline aria-label="Camera" onLoadedData={() => setSeeing(true)} />
      {!seeing && <div className="paper-hint" role="status"><span>Opening the camera …</span></div>}
      <button type="button" className="button shutter" disabled={!seeing} onClick={take}>Take the picture</button>
    </>
  );
}

function stopStream(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
