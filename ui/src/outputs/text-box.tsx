import { useEffect, useRef } from 'react';

/** A text of more characters has a height of its own. */
const longest = 2500;

/** A text as it is. A long one scrolls in its place, and while it is written its end stays in sight. */
export function TextBox({ text, label }: { readonly text: string; readonly label: string }) {
  const frame = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  /** It came in parts, and its last one is shown now or was just before. */
  const following = useRef(false);
  const long = text.length > longest;
  useEffect(() => {
    const box = frame.current;
    if (box === null) return;
    const partial = box.closest('[data-partial=true]') !== null;
    // Whoever reads further up is left there, and what came whole is read from its beginning.
    if (atEnd.current && (partial || following.current)) box.scrollTop = box.scrollHeight;
    following.current = partial;
  });
  if (!long) return <p className="text-output">{text}</p>;
  return (
    <div
      ref={frame}
      className="text-frame"
      role="region"
      aria-label={label}
      tabIndex={0}
      onScroll={({ currentTarget: box }) => {
        atEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 80;
      }}
    >
      <p className="text-output">{text}</p>
    </div>
  );
}
