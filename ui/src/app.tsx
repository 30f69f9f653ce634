import { lazy, Suspense, useCallback, useEffect, useRef, useState } from 'react';
import { hasKey, rememberKey, type ServerError } from './api.ts';
import { stateOf } from './groups.ts';
import { Icon } from './icons.tsx';
import { KeysDialog } from './keys-dialog.tsx';
import { KeyRequest, Message } from './message.tsx';
import { ModelView } from './model-view.tsx';
import { Palette } from './palette.tsx';
import { useServerState } from './server-state.ts';
import { CommandsContext, useShortcuts, type Commands } from './shortcuts.ts';
import { Side } from './side.tsx';
import { Top } from './top.tsx';
import { ToastProvider } from './toast.tsx';
import { useRoute } from './use-route.ts';

const Dashboard = lazy(async () => ({ default: (await import('./dashboard.tsx')).Dashboard }));
const Gallery = lazy(async () => ({ default: (await import('./gallery.tsx')).Gallery }));

/** `?embed` shows the middle only, for a frame in another page. */
const embedded = new URLSearchParams(location.search).has('embed');

export function App() {
  const server = useServerState();
  const { route, count } = useRoute();
  const [menu, setMenu] = useState(false);
  const [code, setCode] = useState(false);
  const [open, setOpen] = useState<'palette' | 'keys'>();
  const commands = useRef<Commands>({});
  const offer = useCallback((offered: Commands) => {
    commands.current = offered;
  }, []);
  const main = useRef<HTMLElement>(null);
  const openKeys = useCallback(() => setOpen('keys'), []);
  // It closes after what was chosen in it opened.
  const closePalette = useCallback(() => setOpen((now) => (now === 'palette' ? undefined : now)), []);
  useShortcuts(commands, { openPalette: () => setOpen('palette'), openKeys });

  const models = server.document?.models ?? [];
  // The address of the start names no model: the first that answers is shown.
  const name = route.page === 'model' ? route.name : route.page === 'home' ? (models.find((model) => stateOf(model) === 'READY') ?? models[0])?.name : undefined;
  const shown = route.page === 'home' && name !== undefined ? ({ page: 'model', name } as const) : route;

  useEffect(() => {
    document.title = name === undefined ? (`${titles[route.page] ?? ''}Modelport`) : `${name} · Modelport`;
  }, [name, route.page]);

  useEffect(() => {
    if (!menu) return undefined;
    document.querySelector<HTMLElement>('#side a')?.focus();
    const close = (event: KeyboardEvent): void => {
      if (event.key !== 'Escape') return;
      setMenu(false);
      document.querySelector<HTMLElement>('.menu-button')?.focus();
    };
    window.addEventListener('keydown', close);
    return () => window.removeEventListener('keydown', close);
  }, [menu]);

  const { refresh } = server;
  const onFailure = useCallback((error: ServerError) => {
    if (error.failure !== 'refused') refresh();
  }, [refresh]);

  const banner = server.status === 'gone' || server.status === 'failed' ? <GoneBanner failed={server.status === 'failed' ? server.message : undefined} onRetry={refresh} /> : null;
  return (
    <ToastProvider>
      <CommandsContext value={offer}>
        <div className={`app${embedded ? ' embed' : ''}${code && shown.page === 'model' ? ' with-drawer' : ''}`}>
          {!embedded && (
            <>
              <a className="button skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>Skip to the model</a>
              <Top menuOpen={menu} onMenu={() => setMenu(!menu)} onSearch={() => setOpen('palette')} />
              <Side models={server.document?.models} route={shown} open={menu} onNavigate={() => setMenu(false)} />
              <button type="button" className="scrim" data-open={menu} aria-label="Close the list" tabIndex={-1} onClick={() => setMenu(false)} />
            </>
          )}
          <main className="main" id="main" ref={main} tabIndex={-1}>
            {content()}
          </main>
        </div>
        {open === 'palette' && <Palette models={models} onKeys={openKeys} onClose={closePalette} />}
        {open === 'keys' && <KeysDialog onClose={() => setOpen(undefined)} />}
      </CommandsContext>
    </ToastProvider>
  );

  function content() {
    if (server.status === 'unauthorized') {
      return <KeyRequest wrong={hasKey()} onKey={(key) => { rememberKey(key); refresh(); }} />;
    }
    if (shown.page === 'dashboard') return <Suspense fallback={<Loading />}><Dashboard models={models} banner={banner} /></Suspense>;
    if (server.document === undefined) {
      if (server.status === 'gone') return <Message icon="unplugged" tone="wait" title="The server does not answer"><p>It may be starting or stopped. This page asks again by itself and opens as soon as it answers.</p><button type="button" className="button" onClick={refresh}>Ask now</button></Message>;
      if (server.status === 'failed') return <Message icon="warning" tone="bad" title="The server refused"><pre>{server.message}</pre><button type="button" className="button" onClick={refresh}>Ask again</button></Message>;
      return <Loading />;
    }
    if (shown.page === 'gallery' && models.length > 0) return <Suspense fallback={<Loading />}><Gallery models={models} banner={banner} /></Suspense>;
    if (shown.page === 'home' || shown.page === 'gallery') {
      return (
        <Message icon="box" title="No models yet">
          <p>Put a model file into the served folder, or start the server with one:</p>
          <pre>npx modelport serve ./model.onnx</pre>
          <p>It appears here by itself.</p>
        </Message>
      );
    }
    return <ModelView models={models} name={shown.name} version={'version' in shown ? shown.version : undefined} input={'input' in shown ? shown.input : undefined} visit={count} code={code} onCode={setCode} onFailure={onFailure} banner={banner} />;
  }
}

const titles: Readonly<Record<string, string>> = { dashboard: 'Dashboard · ', gallery: 'Gallery · ' };

function GoneBanner({ failed, onRetry }: { readonly failed: string | undefined; readonly onRetry: () => void }) {
  return (
    <div className="banner" role="status">
      <Icon name="unplugged" />
      <span>{failed === undefined ? 'The server does not answer. Your input is kept; asking again …' : `The server refused: ${failed}`}</span>
      <button type="button" className="button small" onClick={onRetry}>Ask now</button>
    </div>
  );
}

/** Shown for the first milliseconds; appears only when they get long. */
function Loading() {
  return <div className="message loading" role="status"><p>Asking the server …</p></div>;
}
