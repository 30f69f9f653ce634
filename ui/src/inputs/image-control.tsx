/** An image: drawn, dropped, pasted, chosen or taken. The value is a data URL. */
import { useRef, useState } from 'react';
import { Icon } from '../icons.tsx';
import { Camera } from './camera.tsx';
import { DrawingPaper, type DrawingPaperHandle } from './drawing-paper.tsx';
import type { ControlProps } from './field-form.tsx';
import { FileChooser } from './file-chooser.tsx';
import { readAsDataUrl } from './read-files.ts';
import { useFileDrop, usePastedFiles } from './use-file-drop.ts';

export function ImageControl({ field, id, value, invalid, describedBy, onChange }: ControlProps<'image'>) {
  const chooser = useRef<HTMLInputElement>(null);
  const paper = useRef<DrawingPaperHandle>(null);
  const [camera, setCamera] = useState(false);
  const [brush, setBrush] = useState(9);
  const [refused, setRefused] = useState<string>();
  const [unseen, setUnseen] = useState<string>();
  const image = typeof value === 'string' && value !== '' ? value : undefined;

  const take = (files: readonly File[]): boolean => {
    const file = files.find(({ type }) => type.startsWith('image/'));
    setRefused(file === undefined ? `${files[0]!.name} is not an image.` : undefined);
    if (file === undefined) return false;
    setCamera(false);
    readAsDataUrl(file).then(onChange, () => setRefused(`${file.name} could not be read.`));
    return true;
  };
  const { over, target } = useFileDrop(take);
  // An image pasted anywhere on the page belongs here; any other file may be another field's.
  usePastedFiles((files) => files.some(({ type }) => type.startsWith('image/')) && take(files));

  const clear = (): void => {
    setRefused(undefined);
    setCamera(false);
    paper.current?.clear();
    onChange(undefined);
  };

  return (
    <div className={field.draw ? 'image-field' : 'image-field wide'} role="group" aria-labelledby={`${id}-label`} aria-describedby={describedBy || undefined}>
      <div
        className={`paper${field.draw ? '' : ' drop'}${field.ink === 'white-on-black' ? ' dark-paper' : ''}`}
        data-over={over}
        data-invalid={invalid}
        {...target}
      >
        {camera
          ? <Camera onTake={(taken) => { setCamera(false); onChange(taken); }} onFail={(reason) => { setCamera(false); setRefused(reason); }} />
          : field.draw
            ? <DrawingPaper ref={paper} id={id} image={image} ink={field.ink} brush={brush} label={`${field.title}: drawing area. With the keyboard: arrow keys move, space puts the pen down and lifts it.`} onUnseen={setUnseen} onChange={onChange} />
            : image !== undefined && <img src={image} alt="The chosen input" hidden={unseen === image} onError={() => setUnseen(image)} />}
        {image !== undefined && unseen === image && !camera && (
          <div className="paper-hint"><span>{/^data:([\w/+.-]*)/.exec(image)?.[1] ?? 'This image'} cannot be shown here. The model may still read it.</span></div>
        )}
        {image === undefined && !camera && (
          <div className="paper-hint" aria-hidden="true">
            {!field.draw && <Icon name="image" size={24} />}
            <span>{field.draw ? 'Draw here, or drop or paste an image' : 'Drop or paste an image'}</span>
          </div>
        )}
      </div>
      <div className="tools">
        {field.draw && (
          <label className="brush">
            Brush
            <input className="slider" type="range" min={3} max={18} step={1} value={brush} style={{ '--fill': `${((brush - 3) / 15) * 100}%` } as React.CSSProperties} onChange={(event) => setBrush(event.target.valueAsNumber)} />
          </label>
        )}
        {field.draw && <button type="button" className="button plain icon" aria-label="Undo the last stroke" title="Undo" onClick={() => paper.current?.undo()}><Icon name="undo" /></button>}
        <button type="button" className="button plain icon" aria-label="Choose an image file" title="Choose a file" onClick={() => chooser.current?.click()}><Icon name="image" /></button>
        {'mediaDevices' in navigator && <button type="button" className="button plain icon" aria-label="Use the camera" title="Camera" aria-pressed={camera} onClick={() => setCamera(!camera)}><Icon name="camera" /></button>}
        <button type="button" className="button plain icon" aria-label="Clear the image" title="Clear" onClick={clear}><Icon name="trash" /></button>
      </div>
      <FileChooser ref={chooser} label={`${field.title}: image file`} accept="image/*" onFiles={take} />
      {refused !== undefined && <p className="field-about" role="status">{refused}</p>}
    </div>
  );
}
