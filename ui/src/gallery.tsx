/** Everything that is served, one card each, with what it takes and gives. */
import { useMemo, useState, type ReactNode } from 'react';
import type { PageModel, ServedVersion } from './api-types.ts';
import { Icon, type IconName } from './icons.tsx';
import { formatRoute } from './route.ts';
import { fieldsOf, humanize, type FieldKind } from './schema.ts';
import { isService, stateOf } from './side.tsx';
import { StateMark } from './state-mark.tsx';

export function Gallery({ models, banner }: { readonly models: readonly PageModel[]; readonly banner: ReactNode }) {
  const [query, setQuery] = useState('');
  const [task, setTask] = useState<string>();
  const tasks = useMemo(() => [...new Set(models.map(taskOf))].sort((left, right) => left.localeCompare(right)), [models]);
  const words = query.toLowerCase().split(/\s+/).filter((word) => word !== '');
  const found = models.filter((model) => (task === undefined || taskOf(model) === task) && words.every((word) => `${model.name} ${taskOf(model)} ${aboutOf(servedOf(model)) ?? ''}`.toLowerCase().includes(word)));
  return (
    <div className="page">
      {banner}
      <div className="gallery">
        <div className="gallery-head">
          <h1>Gallery</h1>
          <input className="entry" type="search" aria-label="Search the gallery" placeholder="Search" value={query} onChange={(event) => setQuery(event.target.value)} />
        </div>
        {tasks.length > 1 && (
          <div className="chips" role="group" aria-label="Kinds">
            <button type="button" className="chip" aria-pressed={task === undefined} onClick={() => setTask(undefined)}>All</button>
            {tasks.map((each) => <button key={each} type="button" className="chip" aria-pressed={task === each} onClick={() => setTask(task === each ? undefined : each)}>{humanize(each)}</button>)}
          </div>
        )}
        <ul className="gallery-cards">
          {found.map((model) => <Card key={model.name} model={model} />)}
        </ul>
        {found.length === 0 && <p className="quiet" role="status">Nothing fits.</p>}
      </div>
    </div>
  );
}

function Card({ model }: { readonly model: PageModel }) {
  const served = servedOf(model);
  const example = pictureOf(served);
  const state = stateOf(model);
  return (
    <li className="gallery-card">
      <div className="gallery-art" aria-hidden="true">{example === undefined ? <Icon name={iconOf(served)} size={28} /> : <img src={example} alt="" loading="lazy" />}</div>
      <div className="gallery-words">
        <h2><a href={formatRoute({ page: 'model', name: model.name })}>{model.name}</a></h2>
        <p className="quiet">{aboutOf(served) ?? (state === 'READY' ? describeTensors(served) : model.versions.at(-1)?.reason)}</p>
        <p className="gallery-foot"><span className="caption">{humanize(taskOf(model))}</span><StateMark state={state} word={state !== 'READY'} /></p>
      </div>
    </li>
  );
}

function servedOf(model: PageModel): ServedVersion | undefined {
  return model.versions.findLast((version) => version.served !== undefined)?.served;
}

function taskOf(model: PageModel): string {
  if (isService(model)) return 'service';
  return servedOf(model)?.predict?.task ?? 'tensors';
}

function aboutOf(served: ServedVersion | undefined): string | undefined {
  return served?.description ?? served?.predict?.summary;
}

function describeTensors(served: ServedVersion | undefined): string {
  return served === undefined ? '' : `${served.signature.inputs.map((tensor) => tensor.name).join(', ')} → ${served.signature.outputs.map((tensor) => tensor.name).join(', ')}`;
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
