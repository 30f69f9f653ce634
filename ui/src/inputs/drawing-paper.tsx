/** A square to draw on. Strokes are kept as points, so they can be undone; what is sent is 280 pixels wide. */
import { useCallback, useEffect, useImperativeHandle, useRef, useState, type KeyboardEvent, type PointerEvent, type Ref } from 'react';

/** Sides of the drawing in its own units, and of the image that is sent in pixels. */
const side = 280;

interface Stroke {
  /** Percent of the side. */
  readonly width: number;
  readonly points: { readonly x: number; readonly y: number }[];
}

export interface DrawingPaperHandle {
  undo(): void;
  clear(): void;
}

export interface DrawingPaperProps {
  readonly ref: Ref<DrawingPaperHandle>;
  readonly id: string;
  /** A data URL: what was drawn here, or an image from elsewhere. */
  readonly image: string | undefined;
  readonly ink: 'black-on-white' | 'white-on-black';
  /** Width of the line in percent of the side. */
  readonly brush: number;
  readonly label: string;
  /** Called with an image that the browser cannot show. */
  readonly onUnseen: (image: string) => void;
  readonly onChange: (image: string | undefined) => void;
}

export function DrawingPaper({ ref, id, image, ink, brush, label, onUnseen, onChange }: DrawingPaperProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const strokes = useRef<Stroke[]>([]);
  const active = useRef<Stroke | undefined>(undefined);
  const drawn = useRef<string | undefined>(undefined);
  const picture = useRef<HTMLImageElement | undefined>(undefined);
  const [pen, setPen] = useState<{ x: number; y: number; down: boolean }>();

  const paint = useCallback(() => {
    const element = canvas.current;
    if (element === null) return;
    const pixels = Math.max(1, Math.round(element.clientWidth * devicePixelRatio));
    if (element.width !== pixels) element.width = element.height = pixels;
    const all = active.current === undefined ? strokes.current : [...strokes.current, active.current];
    paintOn(element, all, ink, picture.current);
  }, [ink]);

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(paint);
    observer.observe(element);
    return () => observer.disconnect();
  }, [paint]);

  // An image that was not drawn here takes the place of the strokes.
  useEffect(() => {
    if (image === drawn.current) return undefined;
    drawn.current = image;
    strokes.current = [];
    picture.current = undefined;
    if (image === undefined) {
      paint();
      return undefined;
    }
    let left = false;
    const loaded = new Image();
    loaded.addEventListener('load', () => {
      if (left) return;
      picture.current = loaded;
      paint();
    });
    loaded.addEventListener('error', () => {
      if (left) return;
      paint();
      onUnseen(image);
    });
    loaded.src = image;
    return () => {
      left = true;
    };
  }, [image, paint, onUnseen]);

  const publish = useCallback(() => {
    if (strokes.current.length === 0 && picture.current === undefined) drawn.current = undefined;
    else {
      const sheet = document.createElement('canvas');
      sheet.width = sheet.height = side;
      paintOn(sheet, strokes.current, ink, picture.current);
      drawn.current = sheet.toDataURL('image/png');
    }
    onChange(drawn.current);
  }, [ink, onChange]);

  useImperativeHandle(ref, () => ({
    undo: () => {
      if (strokes.current.length > 0) strokes.current.pop();
      else picture.current = undefined;
      paint();
      publish();
    },
    clear: () => {
      strokes.current = [];
      picture.current = undefined;
      drawn.current = undefined;
      paint();
    },
  }), [paint, publish]);

  const begin = (point: { x: number; y: number }): void => {
    // Drawing over a photograph would be neither: the first stroke starts a clean sheet.
    picture.current = undefined;
    active.current = { width: brush, points: [point] };
    paint();
  };
  const end = (): void => {
    if (active.current === undefined) return;
    strokes.current.push(active.current);
    active.current = undefined;
    paint();
    publish();
  };

  const pointAt = (event: PointerEvent | globalThis.PointerEvent): { x: number; y: number } => {
    const box = canvas.current!.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * side, y: ((event.clientY - box.top) / box.height) * side };
  };
  const down = (event: PointerEvent): void => {
    if (event.button !== 0 || !event.isPrimary) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    setPen(undefined);
    begin(pointAt(event));
  };
  const move = (event: PointerEvent): void => {
    if (active.current === undefined) return;
    const moves = event.nativeEvent.getCoalescedEvents?.() ?? [];
    for (const each of moves.length > 0 ? moves : [event.nativeEvent]) active.current.points.push(pointAt(each));
    paint();
  };
  const key = (event: KeyboardEvent): void => {
    const by: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const direction = by[event.key];
    const at = pen ?? { x: side / 2, y: side / 2, down: false };
    if (direction !== undefined) {
      const length = event.shiftKey ? 4 : 12;
      const next = { x: clamp(at.x + direction[0] * length), y: clamp(at.y + direction[1] * length), down: at.down };
      if (at.down) active.current?.points.push(next);
      setPen(next);
      paint();
    } else if (event.key === ' ') {
      if (at.down) end();
      else begin(at);
      setPen({ ...at, down: !at.down });
    } else return;
    event.preventDefault();
  };

  return (
    <>
      <canvas
        ref={canvas}
        id={id}
        role="application"
        aria-label={label}
        tabIndex={0}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={end}
        onPointerCancel={end}
        onKeyDown={key}
        onBlur={() => {
          end();
          setPen(undefined);
        }}
      />
      {pen !== undefined && <span className="crosshair" style={{ left: `${(pen.x / side) * 100}%`, top: `${(pen.y / side) * 100}%`, background: pen.down ? 'currentColor' : 'none' }} />}
    </>
  );
}

function clamp(value: number): number {
  return Math.min(side, Math.max(0, value));
}

function paintOn(canvas: HTMLCanvasElement, strokes: readonly Stroke[], ink: DrawingPaperProps['ink'], picture: HTMLImageElement | undefined): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  const scale = canvas.width / side;
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.fillStyle = ink === 'white-on-black' ? 'black' : 'white';
  context.fillRect(0, 0, side, side);
  if (picture !== undefined) {
    const fit = side / Math.max(picture.naturalWidth, picture.naturalHeight);
    context.imageSmoothingEnabled = fit < 2;
    context.drawImage(picture, (side - picture.naturalWidth * fit) / 2, (side - picture.naturalHeight * fit) / 2, picture.naturalWidth * fit, picture.naturalHeight * fit);
  }
  context.strokeStyle = context.fillStyle = ink === 'white-on-black' ? 'white' : 'black';
  context.lineCap = context.lineJoin = 'round';
  for (const { width, points } of strokes) {
    const first = points[0]!;
    context.lineWidth = (width / 100) * side;
    context.beginPath();
    context.moveTo(first.x, first.y);
    // A dot is a line of no length; it is drawn where the cap is round.
    if (points.length === 1) context.lineTo(first.x, first.y);
    for (let index = 1; index < points.length; index++) {
      const point = points[index]!;
      const next = points[index + 1];
      if (next === undefined) context.lineTo(point.x, point.y);
      else context.quadraticCurveTo(point.x, point.y, (point.x + next.x) / 2, (point.y + next.y) / 2);
    }
    context.stroke();
  }
}
