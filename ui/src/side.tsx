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
      <h2 className="heading">Models</h2>
      <ul>
        {models?.map((model) => (
          <li key={model.name}>
            <a className="side-link" href={formatRoute({ page: 'model', name: model.name })} aria-current={model.name === current ? 'page' : undefined}>
              <span className="side-name" title={model.name}>{model.name}</span>
              <StateMark state={stateOf(model)} />
            </a>
          </li>
        ))}
        {models?.length === 0 && <li className="side-link">None yet</li>}
      </ul>
      <ul className="side-end">
        <li><PageLink icon="chart" href="#/dashboard" current={route.page === 'dashboard'}>Dashboard</PageLink></li>
        <li><PageLink icon="book" href="docs">API docs</PageLink></li>
      </ul>
    </nav>
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

/** The state of the version that answers; where none does, of the newest. */
export function stateOf(model: PageModel): PageState {
  return model.versions.find((version) => version.state === 'READY')?.state ?? model.versions.at(-1)?.state ?? 'UNAVAILABLE';
}
