/** What the address names: a model and a version, in whatever state it is. */
import { useMemo, type ReactNode } from 'react';
import type { ServerError } from './api.ts';
import type { PageModel, PageVersion } from './api-types.ts';
import { inferEndpoint } from './endpoints/infer.tsx';
import { predictEndpoint } from './endpoints/predict.tsx';
import { Icon } from './icons.tsx';
import { Message } from './message.tsx';
import { ModelDetails } from './model-details.tsx';
import { ModelPage } from './model-page.tsx';
import { formatRoute } from './route.ts';
import { StateMark } from './state-mark.tsx';

export interface ModelViewProps {
  readonly models: readonly PageModel[];
  readonly name: string;
  readonly version: string | undefined;
  readonly input: string | undefined;
  readonly visit: number;
  readonly code: boolean;
  readonly onCode: (open: boolean) => void;
  readonly onFailure: (error: ServerError) => void;
  /** Above everything: that the server is gone. */
  readonly banner: ReactNode;
}

export function ModelView({ models, name, version: named, input, visit, code, onCode, onFailure, banner }: ModelViewProps) {
  const model = models.find((candidate) => candidate.name === name);
  const newest = model?.versions.findLast((candidate) => candidate.state === 'READY') ?? model?.versions.at(-1);
  const version = named === undefined ? newest : model?.versions.find((candidate) => candidate.version === named);
  const served = version?.served;
  const answersUnnamed = version === newest;
  const endpoint = useMemo(() => {
    if (served === undefined || version === undefined) return undefined;
    return served.predict === undefined ? inferEndpoint(name, version.version, answersUnnamed, served) : predictEndpoint(name, version.version, served.predict);
    // `served` keeps its identity while nothing of it changes; `version` is new with every change of state.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [name, served, answersUnnamed]);

  if (model === undefined) return <Message icon="box" title={`There is no model “${name}”`}><p>It may have been renamed or unloaded. The list has all that are known.</p></Message>;
  if (version === undefined) {
    return (
      <Message icon="box" title={`${name} has no version ${named}`}>
        <p>Known: {model.versions.map((each) => each.version).join(', ')}.</p>
        <a className="button" href={formatRoute({ page: 'model', name })}>Open the newest</a>
      </Message>
    );
  }
  return (
    <div className="page">
      {banner}
      <ModelHead model={model} version={version} code={code} onCode={endpoint === undefined ? undefined : onCode} />
      {endpoint === undefined
        ? <NotReady model={model} version={version} />
        : <ModelPage key={`${name}/${version.version}/${input === undefined ? '' : visit}`} endpoint={endpoint} namedVersion={named} newest={answersUnnamed} linked={input} code={code} onCode={onCode} onFailure={onFailure} />}
      {served !== undefined && <ModelDetails served={served} />}
    </div>
  );
}

interface HeadProps {
  readonly model: PageModel;
  readonly version: PageVersion;
  readonly code: boolean;
  readonly onCode: ((open: boolean) => void) | undefined;
}

function ModelHead({ model, version, code, onCode }: HeadProps) {
  const { served } = version;
  const about = served?.description ?? ([served?.predict?.summary, served?.predict?.description].filter((text) => text !== undefined).join('. ') || undefined);
  return (
    <header className="model-head">
      <h1>{model.name}</h1>
      {model.versions.length > 1
        ? (
          <span className="version">
            <select aria-label="Version" value={version.version} onChange={(event) => { location.hash = formatRoute({ page: 'model', name: model.name, version: event.target.value }); }}>
              {model.versions.map((each) => <option key={each.version} value={each.version}>{`v${each.version}${each.state === 'READY' ? '' : ` · ${each.state.toLowerCase()}`}`}</option>)}
            </select>
            <Icon name="down" size={12} />
          </span>
        )
        : <span className="caption">v{version.version}</span>}
      <StateMark state={version.state} word />
      {served !== undefined && <span className="tag">{served.predict === undefined ? served.platform : served.predict.task}</span>}
      {onCode !== undefined && (
        <div className="head-end">
          <button type="button" className="button" aria-label="Use from code" aria-expanded={code} aria-keyshortcuts="c" onClick={() => onCode(!code)}><Icon name="code" size={14} /><span className="long">Use from code</span><span className="short" aria-hidden="true">Code</span></button>
        </div>
      )}
      {about !== undefined && <div className="model-about"><p>{about}</p></div>}
    </header>
  );
}

function NotReady({ model, version }: { readonly model: PageModel; readonly version: PageVersion }) {
  const other = model.versions.findLast((each) => each.state === 'READY' && each.version !== version.version);
  const elsewhere = other !== undefined && <a className="button" href={formatRoute({ page: 'model', name: model.name, version: other.version })}>Use version {other.version}</a>;
  if (version.state === 'LOADING') return <Message icon="clock" tone="wait" title="The model is loading"><p>It opens here by itself as soon as it is ready.</p>{elsewhere}</Message>;
  if (version.state === 'UNLOADING') return <Message icon="clock" tone="wait" title="The model is being unloaded"><p>Requests under way are still answered.</p>{elsewhere}</Message>;
  return (
    <Message icon="warning" tone="bad" title="This version is unavailable">
      <pre>{version.reason === '' ? 'The server gives no reason.' : version.reason}</pre>
      <p>{version.reason === 'unloaded' ? 'Load it again through the repository API.' : 'Mend the model file or its configuration and load it again; this page notices by itself.'}</p>
      {elsewhere}
    </Message>
  );
}
