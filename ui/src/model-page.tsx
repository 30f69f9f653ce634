/** One version of one model: form, output, history, code. Made anew for another version (`key`). */
import { lazy, startTransition, Suspense, useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { createPortal } from 'react-dom';
import { hasKey, root, type Answer, type ServerError } from './api.ts';
import { CodeDrawer } from './code-drawer.tsx';
import type { RequestFacts } from './code.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { addToHistory, readHistory, type HistoryEntry } from './history.ts';
import { HistoryStrip } from './history-strip.tsx';
import { formatJson, parseJson } from './json.ts';
import { ModelForm } from './model-form.tsx';
import { keepSession, latestSessionOf, sessionOf } from './model-session.ts';
import { OutputPane } from './output-pane.tsx';
import { replyText } from './outputs/joined-parts.ts';
import { formatRoute, longestInput } from './route.ts';
import { useRunner } from './run.ts';
import type { FieldProblem } from './schema.ts';
import { useCommands } from './shortcuts.ts';
import { useCopy, useToast } from './toast.tsx';

const Listening = lazy(async () => ({ default: (await import('./listening.tsx')).Listening }));
const BatchPage = lazy(async () => ({ default: (await import('./batch-page.tsx')).BatchPage }));

export interface ModelPageProps {
  readonly endpoint: Endpoint;
  /** The version named in the address; undefined where it names none. */
  readonly namedVersion: string | undefined;
  /** Whether the version answers where none is named. */
  readonly newest: boolean;
  /** The input in the address, as JSON text. */
  readonly linked: string | undefined;
  readonly code: boolean;
  readonly onCode: (open: boolean) => void;
  readonly onFailure: (error: ServerError) => void;
}

export function ModelPage({ endpoint, namedVersion, newest, linked, code, onCode, onFailure }: ModelPageProps) {
  const { model, version } = endpoint;
  const [first] = useState(() => {
    const link = readLink(endpoint, linked);
    const session = sessionOf(model, version);
    if (link !== undefined) return { value: link, session: undefined, runAtOnce: true };
    const other = latestSessionOf(model);
    if (session === undefined && other !== undefined && other.task === endpoint.task) return { value: other.value, session: { ...other, answer: undefined, answered: undefined }, runAtOnce: true };
    return { value: session === undefined ? endpoint.initial() : session.value, session, runAtOnce: session === undefined && endpoint.task !== undefined && endpoint.examples.length > 0 };
  });
  const [value, setValue] = useState(first.value);
  const [answered, setAnswered] = useState<unknown>(first.session?.answered);
  const [live, setLive] = useState(first.session?.live ?? false);
  const [attempted, setAttempted] = useState(false);
  const [refused, setRefused] = useState<unknown>();
  const [history, setHistory] = useState(() => readHistory(model));
  const [many, setMany] = useState(false);
  const form = useRef<HTMLDivElement>(null);
  const runner = useRunner(endpoint, first.session?.answer, onFailure);
  const { problem, run: send } = runner;
  const copy = useCopy();
  const say = useToast();

  const written = useMemo(() => (value === undefined ? '' : formatJson(value)), [value]);
  const mistakes = useMemo(() => endpoint.problems(value), [endpoint, value]);
  const problems = useMemo<readonly FieldProblem[]>(() => {
    if (attempted && mistakes.length > 0) return mistakes;
    return problem !== undefined && refused === value ? problem.fields : [];
  }, [attempted, mistakes, problem, refused, value]);

  const remember = useCallback((sent: unknown, answer: Answer) => {
    setHistory((entries) => addToHistory(model, entries, {
      id: `${Date.now()}-${entries.length}`,
      version,
      value: sent,
      input: endpoint.summarize(sent),
      output: endpoint.summarizeAnswer(answer.value),
      answer,
    }));
  }, [endpoint, model, version]);

  const start = useCallback(async (sent: unknown, options: { readonly record: boolean }) => {
    setRefused(sent);
    // Parts are drawn on what is being answered; a whole answer stands on the last input until the next one is there.
    if (endpoint.stream?.single === false) setAnswered(sent);
    const answer = await send(sent);
    if (answer === undefined) return;
    setAnswered(sent);
    if (options.record) remember(sent, answer);
    // The conversation goes on from its answer, unless it was changed meanwhile.
    const talked = endpoint.withReply?.(sent, answer.value);
    if (talked !== undefined) setValue((now: unknown) => (now === sent ? talked : now));
  }, [endpoint, remember, send]);

  const run = useCallback(() => {
    setAttempted(true);
    if (mistakes.length === 0) {
      void start(value, { record: true });
      showOutput(form.current);
    }
    else focusField(form.current, mistakes[0]!.field);
  }, [mistakes, start, value]);

  const change = (next: unknown): void => {
    setValue(next);
    if (live && endpoint.problems(next).length === 0) void start(next, { record: false });
  };

  const choose = (next: unknown): void => {
    setAttempted(false);
    setValue(next);
    if (endpoint.problems(next).length === 0) void start(next, { record: true });
  };

  // The first example, or what a link brought, is answered before anyone asks.
  const began = useRef(false);
  useEffect(() => {
    if (began.current || !first.runAtOnce) return undefined;
    const timer = setTimeout(() => {
      began.current = true;
      setAttempted(linked !== undefined);
      if (endpoint.problems(first.value).length === 0) void start(first.value, { record: true });
    });
    return () => clearTimeout(timer);
  }, [endpoint, first, linked, start]);

  useEffect(() => keepSession(model, version, { value, answer: runner.answer, answered, live, task: endpoint.task }), [model, version, value, runner.answer, answered, live, endpoint.task]);

  // The address follows the form, a moment behind.
  const initial = useMemo(() => formatJson(endpoint.initial() ?? null), [endpoint]);
  const link = useCallback((always: boolean): string | undefined => {
    if (mistakes.length > 0 || written.length > longestInput) return undefined;
    const named = namedVersion === undefined ? {} : { version: namedVersion };
    return formatRoute({ page: 'model', name: model, ...named, ...(written === initial && !always ? {} : { input: written }) });
  }, [mistakes, written, initial, model, namedVersion]);
  useEffect(() => {
    const timer = setTimeout(() => {
      const hash = link(false) ?? formatRoute({ page: 'model', name: model, ...(namedVersion === undefined ? {} : { version: namedVersion }) });
      if (location.hash !== hash) window.history.replaceState(null, '', `${location.pathname}${location.search}${hash}`);
    }, 250);
    return () => clearTimeout(timer);
  }, [link, model, namedVersion]);

  const share = (): void => {
    const hash = link(true);
    if (hash === undefined) say(mistakes.length > 0 ? 'Mend the form first: the link would hold its mistake' : 'This input is too large for a link');
    else void copy(`${location.origin}${location.pathname}${location.search}${hash}`, 'Link');
  };

  const nextExample = (): void => {
    const { examples } = endpoint;
    if (examples.length === 0) return;
    const at = examples.findIndex((example) => formatJson(example.value) === written);
    choose(examples[(at + 1) % examples.length]!.value);
  };

  useCommands({
    run,
    nextExample,
    toggleCode: () => onCode(!code),
    cancel: () => {
      if (runner.running) runner.cancel();
      else if (code) onCode(false);
    },
  });

  // Between two messages of a conversation, what was sent last is shown.
  const sendable = mistakes.length === 0 ? value : endpoint.withReply === undefined ? undefined : answered;
  const request = useMemo<RequestFacts | undefined>(() => (code && sendable !== undefined ? requestFacts(endpoint, sendable, newest) : undefined), [code, sendable, endpoint, newest]);

  const reply = endpoint.withReply !== undefined && runner.running ? replyText(runner.partial ? runner.answer?.value ?? '' : '') ?? '' : undefined;
  const talked = endpoint.withReply !== undefined && runner.answer !== undefined && formatJson(endpoint.withReply(answered, runner.answer.value) ?? null) === written;
  const shown = history.find((entry) => entry.answer === runner.answer);
  const open = (entry: HistoryEntry): void => {
    setAttempted(false);
    setValue(entry.value);
    setAnswered(entry.value);
    runner.show(entry.answer);
  };

  if (many && endpoint.batch !== undefined) {
    return (
      <>
        <Suspense fallback={<div className="work" />}>
          <BatchPage endpoint={endpoint} batch={endpoint.batch} value={value} onFailure={onFailure} onOne={() => setMany(false)} onOpen={(item, answer) => {
            setMany(false);
            setAttempted(false);
            setValue(item);
            setAnswered(item);
            runner.show(answer);
          }} />
        </Suspense>
        {code && createPortal(<CodeDrawer request={request} onClose={() => onCode(false)} />, document.querySelector('.app')!)}
      </>
    );
  }
  return (
    <>
      <div className={endpoint.withReply === undefined ? 'work' : 'work talk'} ref={form}>
        <ModelForm
          endpoint={endpoint}
          value={value}
          problems={problems}
          running={runner.running}
          reply={reply}
          live={live}
          onChange={change}
          onRun={run}
          onCancel={runner.cancel}
          onClear={() => {
            setAttempted(false);
            setValue(endpoint.empty());
          }}
          onExample={(example) => choose(example.value)}
          onLive={setLive}
          listening={endpoint.listen === undefined ? null : (
            <Suspense fallback={null}>
              <Listening endpoint={endpoint} value={value} onFailure={onFailure} onAnswer={(answer) => {
                setAnswered(endpoint.listen!.without(value));
                runner.show(answer);
              }} />
            </Suspense>
          )}
          onMany={endpoint.batch === undefined ? undefined : () => startTransition(() => setMany(true))}
        />
        <OutputPane endpoint={endpoint} runner={runner} answered={answered} said={endpoint.withReply !== undefined && (runner.answer === undefined || replyText(runner.answer.value) !== undefined)} stale={!live && !talked && runner.answer !== undefined && answered !== value && formatJson(answered ?? null) !== written} onShare={share} />
      </div>
      <HistoryStrip entries={history} current={shown?.id} onOpen={open} />
      {code && createPortal(<CodeDrawer request={request} onClose={() => onCode(false)} />, document.querySelector('.app')!)}
    </>
  );
}

function requestFacts(endpoint: Endpoint, value: unknown, newest: boolean): RequestFacts {
  const { stream, door, model, version } = endpoint;
  const streams = stream?.single === false;
  const { path, body } = streams ? stream.request(value) : { path: endpoint.path, body: endpoint.body(value) };
  // The client's own streams are those of the predict door.
  const client = streams && path !== endpoint.path ? undefined : { server: root.href.replace(/\/$/, ''), door, version: newest ? undefined : version };
  return { url: new URL(path, root).href, body, needsKey: hasKey(), model, stream: streams, ...(client === undefined ? {} : { client }) };
}

function readLink(endpoint: Endpoint, text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return endpoint.restore(parseJson(text));
  } catch {
    return undefined;
  }
}

/** Where the output follows the input, Run brings it into sight. */
function showOutput(form: HTMLElement | null): void {
  const output = form?.querySelector('.pane:last-child');
  if (output === null || output === undefined || output.getBoundingClientRect().top < innerHeight * 0.6) return;
  output.scrollIntoView({ behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth', block: 'start' });
}

function focusField(form: HTMLElement | null, field: string): void {
  const row = form?.querySelector(`[data-field="${CSS.escape(field)}"]`);
  (row?.querySelector<HTMLElement>('.entry, canvas, button:not(.chip)') ?? form?.querySelector<HTMLElement>('.primary'))?.focus();
}
