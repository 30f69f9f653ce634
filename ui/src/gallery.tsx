/** Everything that is served, one card each, with what it takes and gives; endpoints stand below their service. */
import { useMemo, useState, type ReactNode } from 'react';
import type { PageModel, ServedVersion } from './api-types.ts';
import { aboutOf, groupModels, matches, servedOf, stateOf, taskOf } from './groups.ts';
import { Icon, type IconName } from './icons.tsx';
import { formatRoute } from './route.ts';
import { fieldsOf, humanize, type FieldKind } from './schema.ts';
import { StateMark } from './state-mark.tsx';

/** So many kinds are offered at once; the rest is behind a button. */
const fewestKinds = 7;

export function Gallery({ models, banner }: { readonly models: readonly PageModel[]; readonly banner: ReactNode }) {
  const [query, setQuery] = useState('');
  const [task, setTask] = useState<string>();
  const [allKinds, setAllKinds] = useState(false);
  const kinds = useMemo(() => countKinds(models), [models]);
  const wanted = query.trim();
  const found = useMemo(() => groupModels(models, (model) => (task === undefined || taskOf(model) === task) && (wanted === '' || matches(model, wanted))), [models, task, wanted]);
  const count = found.models.length + found.services.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
  const shownKinds = allKinds ? kinds : kinds.filter(({ kind }, index) => index < fewestKinds || kind === task);
  return (
    <div className="page">
      {banner}
      <div className="gallery">
        <div className="gallery-head">
          <h1>Gallery</h1>
          <p className="caption number" role="status">{count === models.length ? `${count} served` : count === 0 ? 'Nothing fits' : `${count} of ${models.length}`}</p>
          <input className="entry" type="search" aria-label="Search the gallery" placeholder="Search" value={query} onChange={(event) => setQuery(event.target.value)} />
        </div>
        {kinds.length > 1 && (
          <div className="chips" role="group" aria-label="Kinds">
            <button type="button" className="chip" aria-pressed={task === undefined} onClick={() => setTask(undefined)}>All</button>
            {shownKinds.map(({ kind, count: many }) => <button key={kind} type="button" className="chip" aria-pressed={task === kind} onClick={() => setTask(task === kind ? undefined : kind)}>{humanize(kind)} <span className="caption number" aria-hidden="true">{many}</span></button>)}
            {kinds.length > fewestKinds && <button type="button" className="button plain small" aria-expanded={allKinds} onClick={() => setAllKinds(!allKinds)}>{allKinds ? 'Fewer kinds' : `${kinds.length - fewestKinds} more kinds`}</button>}
          </div>
        )}
        {found.models.length > 0 && <Cards title={found.services.length > 0 ? 'Models' : undefined} models={found.models} />}
        {found.services.map(({ service, endpoints }) => <Cards key={service} title={service} models={endpoints} />)}
        {count === 0 && (
          <div className="gallery-nothing">
            <p className="quiet">Nothing here is called “{wanted === '' ? humanize(task ?? '') : wanted}”, does it, or says so.</p>
            <button type="button" className="button" onClick={() => { setQuery(''); setTask(undefined); }}>Show everything</button>
          </div>
        )}
      </div>
    </div>
  );
}

/** The most frequent first. */
function countKinds(models: readonly PageModel[]): { readonly kind: string; readonly count: number }[] {
  const counts = new Map<string, number>();
  for (const model of models) {
    const kind = taskOf(model);
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => ({ kind, count })).sort((left, right) => right.count - left.count || left.kind.localeCompare(right.kind));
}

function Cards({ title, models }: { readonly title: string | undefined; readonly models: readonly PageModel[] }) {
  return (
    <section className="gallery-group" aria-label={title}>
      {title !== undefined && <h2 className="heading">{title}</h2>}
      <ul className="gallery-cards">{models.map((model) => <Card key={model.name} model={model} titled={title !== undefined} />)}</ul>
    </section>
  );
}

function Card({ model, titled }: { readonly model: PageModel; readonly titled: boolean }) {
  const served = servedOf(model);
  const example = pictureOf(served);
  const state = stateOf(model);
  const task = taskOf(model);
  const Name = titled ? 'h3' : 'h2';
  return (
    <li className="gallery-card">
      <div className="gallery-art" aria-hidden="true">{example === undefined ? <Icon name={iconOf(served)} size={28} /> : <img src={example} alt="" loading="lazy" decoding="async" />}</div>
      <div className="gallery-words">
        <Name className="gallery-name"><a href={formatRoute({ page: 'model', name: model.name })}>{model.name}</a></Name>
        <p className="quiet">{aboutOf(model) ?? (served === undefined ? model.versions.at(-1)?.reason : describeTensors(served))}</p>
        <p className="gallery-foot"><span className="caption">{task === undefined ? '' : humanize(task)}</span><StateMark state={state} word={state !== 'READY'} /></p>
      </div>
    </li>
  );
}

function describeTensors(served: ServedVersion): string {
  return `${served.signature.inputs.map((tensor) => tensor.name).join(', ')} → ${served.signature.outputs.map((tensor) => tensor.name).join(', ')}`;
}

const icons: Partial<Record<FieldKind, IconName>> = { image: 'image', audio: 'sound', file: 'file', table: 'grid', chat: 'chat', text: 'text', number: 'slider', tensor: 'box' };

function iconOf(served: ServedVersion | undefined): IconName {
  if (served?.predict === undefined) return 'box';
  const field = fieldsOf(served.predict.input).find(({ advanced, kind }) => !advanced && icons[kind] !== undefined);
  return field === undefined ? 'box' : icons[field.kind]!;
}

/** A picture of the first example, small ones only. */
function pictureOf(served: ServedVersion | undefined): string | undefined {
  const example = served?.predict?.examples[0];
  const members = typeof example === 'object' && example !== null ? Object.values(example) : [];
  return members.find((member): member is string => typeof member === 'string' && member.startsWith('data:image/'));
}
