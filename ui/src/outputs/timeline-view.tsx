/** How something goes over the time of a recording, beside its player. */
import { useState } from 'react';
import { Waveform } from '../waveform.tsx';
import { LineChart, type Stretch } from './line-chart.tsx';
import { isTimeline } from './timeline.ts';
import { inputMember, type ViewProps } from './view.ts';
import { hintsOf, isObject } from '../schema.ts';

export function TimelineView({ value, schema, input, whole, title }: ViewProps) {
  const [cursor, setCursor] = useState<number>();
  const hints = hintsOf(schema);
  if (!isTimeline(value)) return null;
  const sound = inputMember(input, hints.audio);
  const found = isObject(whole) && hints.segments !== undefined ? whole[hints.segments] : undefined;
  const stretches = Array.isArray(found) ? (found as readonly unknown[]).filter((each): each is Stretch & Record<string, unknown> => isObject(each) && typeof each['start'] === 'number' && typeof each['end'] === 'number') : [];
  const start = value.start ?? 0;
  return (
    <div className="timeline">
      <LineChart label={title ?? 'Timeline'} values={value.values} start={start} step={value.step ?? 1} unit="s" stretches={stretches} cursor={cursor} />
      {sound?.startsWith('data:') === true && start === 0 && <Waveform source={sound} onTime={setCursor} />}
    </div>
  );
}
