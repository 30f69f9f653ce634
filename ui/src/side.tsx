import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { PageModel } from './api-types.ts';
import { endpointName, groupModels, matches, stateOf, type ServiceGroup } from './groups.ts';
import { Icon, type IconName } from './icons.tsx';
import { formatRoute, type Route } from './route.ts';
import { StateMark } from './state-mark.tsx';

export interface SideProps {
  /** Undefined while the server has not said. */
  readonly models: readonly PageModel[] | undefined;
  readonly route: Route;
  readonly open: boolean;
  readonly onNavigate: () => void;
}

/** A list that is longer can be narrowed. */
const fewest = 12;

export function Side({ models = [], route, open, onNavigate }: SideProps) {
  const current = route.page === 'model' ? route.name : undefined;
  const [query, setQuery] = useState('');
  const list = useRef<HTMLElement>(null);
  const revealed = useRef<string>(undefined);
  const narrowed = models.length > fewest && query.trim() !== '';
  const { models: listed, services } = groupModels(models, (model) => !narrowed || matches(model, query.trim()));

  // In long lists what is open is in sight.
  useEffect(() => {
    if (revealed.current === current) return;
    const frame = list.current;
    const link = frame?.querySelector('[aria-current=page]:not(.side-end *)');
    if (frame === null || link === null || link === undefined) return;
    revealed.current = current;
    const [box, at] = [frame.getBoundingClientRect(), link.getBoundingClientRect()];
    const lowest = (frame.querySelector('.side-end')?.getBoundingClientRect().top ?? box.bottom) - 8;
    if (at.bottom > lowest) frame.scrollTop += at.bottom - lowest;
    else if (at.top < box.top + 52) frame.scrollTop -= box.top + 52 - at.top;
  });

  return (
    <nav ref={list} className="side" aria-label="Models and pages" data-open={open} id="side" onClick={(event) => (event.target as Element).closest('a') !== null && onNavigate()}>
      {models.length > fewest && <input className="entry side-filter" type="search" aria-label="Filter the list" placeholder="Filter" autoComplete="off" spellCheck={false} value={query} onChange={(event) => setQuery(event.target.value)} />}
      {listed.length > 0 && <h2 className="heading">Models</h2>}
      {listed.length > 0 && <ul>{listed.map((model) => <ModelLink key={model.name} model={model} current={current}>{model.name}</ModelLink>)}</ul>}
      {services.length > 0 && <h2 className="heading">Services</h2>}
      {services.map((group) => <Service key={group.service} group={group} current={current} unfolded={narrowed} alone={services.length === 1} />)}
      {narrowed && listed.length + services.length === 0 && <p className="side-nothing" role="status">Nothing fits.</p>}
      <ul className="side-end">
        <li><PageLink icon="grid" href="#/gallery" current={route.page === 'gallery'}>Gallery</PageLink></li>
        <li><PageLink icon="chart" href="#/dashboard" current={route.page === 'dashboard'}>Dashboard</PageLink></li>
        <li><PageLink icon="book" href="docs">API docs</PageLink></li>
      </ul>
    </nav>
  );
}

interface ServiceProps {
  readonly group: ServiceGroup;
  readonly current: string | undefined;
  /** A filter shows what it finds. */
  readonly unfolded: boolean;
  readonly alone: boolean;
}

/** An endpoint that is its whole service is one line; others fold. */
function Service({ group: { service, endpoints }, current, unfolded, alone }: ServiceProps) {
  const holdsCurrent = endpoints.some(({ name }) => name === current);
  const [open, setOpen] = useState(alone || holdsCurrent);
  // Going to an endpoint unfolds its service; folding it by hand stands until the next one.
  const [came, setCame] = useState(current);
  if (came !== current) {
    setCame(current);
    if (holdsCurrent) setOpen(true);
  }
  if (endpoints.length === 1 && endpoints[0]!.name === service) return <ul><ModelLink model={endpoints[0]!} current={current}>{service}</ModelLink></ul>;
  return (
    <details className="side-service" open={open || unfolded} onToggle={(event) => { if (!unfolded) setOpen(event.currentTarget.open); }}>
      <summary className="side-link">
        <Icon name="chevron" size={12} />
        <span className="side-name" title={service}>{service}</span>
        <span className="caption number">{endpoints.length}</span>
      </summary>
      <ul>{endpoints.map((model) => <ModelLink key={model.name} model={model} current={current}>{endpointName(model, service)}</ModelLink>)}</ul>
    </details>
  );
}

function ModelLink({ model, current, children }: { readonly model: PageModel; readonly current: string | undefined; readonly children: ReactNode }) {
  return (
    <li>
      <a className="side-link" href={formatRoute({ page: 'model', name: model.name })} aria-current={model.name === current ? 'page' : undefined}>
        <span className="side-name" title={model.name}>{children}</span>
        <StateMark state={stateOf(model)} />
      </a>
    </li>
  );
}

function PageLink({ icon, href, current = false, children }: { readonly icon: IconName; readonly href: string; readonly current?: boolean; readonly children: string }) {
  return (
    <a className="side-link" href={href} aria-current={current ? 'page' : undefined}>
      <Icon name={icon} size={14} />
      <span className="side-name">{children}</span>
    </a>
  );
}
