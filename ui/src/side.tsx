import { Fragment } from 'react';
import type { PageModel, PageState } from './api-types.ts';
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

export function Side({ models, route, open, onNavigate }: SideProps) {
  const current = route.page === 'model' ? route.name : undefined;
  return (
    <nav className="side" aria-label="Models and pages" data-open={open} id="side" onClick={(event) => (event.target as Element).closest('a') !== null && onNavigate()}>
      {(['Models', 'Services'] as const).map((title) => {
        const listed = models?.filter((model) => isService(model) === (title === 'Services'));
        if (title === 'Services' && (listed === undefined || listed.length === 0)) return null;
        if (title === 'Models' && listed?.length === 0 && models!.length > 0) return null;
        return (
          <Fragment key={title}>
            <h2 className="heading">{title}</h2>
            <ul>
              {listed?.map((model) => (
                <li key={model.name}>
                  <a ref={model.name === current ? reveal : null} className="side-link" href={formatRoute({ page: 'model', name: model.name })} aria-current={model.name === current ? 'page' : undefined}>
                    <span className="side-name" title={model.name}>{model.name}</span>
                    <StateMark state={stateOf(model)} />
                  </a>
                </li>
              ))}
              {listed?.length === 0 && <li className="side-link">None yet</li>}
            </ul>
          </Fragment>
        );
      })}
      <ul className="side-end">
        <li><PageLink icon="grid" href="#/gallery" current={route.page === 'gallery'}>Gallery</PageLink></li>
        <li><PageLink icon="chart" href="#/dashboard" current={route.page === 'dashboard'}>Dashboard</PageLink></li>
        <li><PageLink icon="book" href="docs">API docs</PageLink></li>
      </ul>
    </nav>
  );
}

/** In long lists what is open is in sight. */
function reveal(link: HTMLElement | null): void {
  link?.scrollIntoView({ block: 'nearest' });
}

function PageLink({ icon, href, current = false, children }: { readonly icon: IconName; readonly href: string; readonly current?: boolean; readonly children: string }) {
  return (
    <a className="side-link" href={href} aria-current={current ? 'page' : undefined}>
      <Icon name={icon} size={14} />
      <span className="side-name">{children}</span>
    </a>
  );
}

/** The state of the version that answers; where none does, of the newest. */
export function stateOf(model: PageModel): PageState {
  return model.versions.find((version) => version.state === 'READY')?.state ?? model.versions.at(-1)?.state ?? 'UNAVAILABLE';
}

/** Whether it is an endpoint of a service; known once a version of it is served. */
export function isService(model: PageModel): boolean {
  return model.versions.some((version) => version.served?.predict?.task === 'service');
}
