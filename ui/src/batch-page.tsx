/** Many files, texts or rows through one endpoint: chosen at the left, answered at the right, with how far it is. */
import { useEffect, useMemo, useRef, useState } from 'react';
import type { Answer, ServerError } from './api.ts';
import { runBatch, type BatchResult, type BatchSource } from './batch.ts';
import { formatSize } from './data-url.ts';
import { download, stampedName } from './download.ts';
import type { Batch, Endpoint } from './endpoints/endpoint.ts';
import { Icon } from './icons.tsx';
import { formatRow, parseDelimited, rowsByColumn } from './inputs/delimited-text.ts';
import { DropZone } from './inputs/drop-zone.tsx';
import { FileChooser } from './inputs/file-chooser.tsx';
import { useFileDrop } from './inputs/use-file-drop.ts';
import { readAsDataUrl } from './inputs/read-files.ts';
import { formatJson } from './json.ts';
import { answerCells } from './outputs/answer-cells.ts';
import { useCommands } from './shortcuts.ts';

export interface BatchPageProps {
  readonly endpoint: Endpoint;
  readonly batch: Batch;
  /** What the form says about everything else. */
  readonly value: unknown;
  readonly onFailure: (error: ServerError) => void;
  readonly onOne: () => void;
  readonly onOpen: (value: unknown, answer: Answer) => void;
}

/** More are run and downloaded, not drawn. */
const mostDrawn = 500;

export function BatchPage({ endpoint, batch, value, onFailure, onOne, onOpen }: BatchPageProps) {
  const [sources, setSources] = useState<readonly BatchSource[]>([]);
  const [text, setText] = useState('');
  const [run, setRun] = useState<{ readonly sources: readonly BatchSource[]; readonly results: readonly (BatchResult | undefined)[]; readonly running: boolean; readonly seconds: number }>();
  const controller = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => controller.current?.abort(), []);

  const { over } = batch;
  const items = useMemo(() => (over.kind === 'files' ? sources : over.kind === 'lines' ? linesOf(text) : rowsOf(text, over.columns)), [over, sources, text]);

  const start = async (): Promise<void> => {
    if (items.length === 0) return;
    controller.current?.abort();
    const current = new AbortController();
    controller.current = current;
    const results: (BatchResult | undefined)[] = Array.from({ length: items.length });
    const started = performance.now();
    const show = (running: boolean): void => setRun({ sources: items, results: [...results], running, seconds: (performance.now() - started) / 1000 });
    show(true);
    // Answers may come by the thousand a second; the page is drawn ten times.
    let timer: ReturnType<typeof setTimeout> | undefined;
    await runBatch(endpoint, value, items, current.signal, (index, result) => {
      results[index] = result;
      timer ??= setTimeout(() => {
        timer = undefined;
        if (!current.signal.aborted) show(true);
      }, 100);
    }, onFailure);
    clearTimeout(timer);
    if (controller.current === current) show(false);
  };
  const stop = (): void => controller.current?.abort();
  useCommands({ run: () => void start(), cancel: stop });

  return (
    <div className="work">
      <section className="pane" aria-label="Input">
        <div className="pane-head">
          <h2>Many at once</h2>
          <button type="button" className="button plain small" onClick={onOne}>One at a time</button>
        </div>
        <div className="form">
          {over.kind === 'files'
            ? <FileSources field={over.field} accept={over.accept} sources={sources} onSources={setSources} />
            : <TextSources kind={over.kind} field={over.kind === 'lines' ? over.field : 'Rows'} columns={over.kind === 'rows' ? over.columns : []} text={text} count={items.length} onText={setText} />}
          <div className="actions">
            <button type="button" className="button primary" aria-disabled={items.length === 0} onClick={() => void start()}>{items.length === 0 ? 'Run' : `Run ${items.length.toLocaleString('en')}`} <kbd aria-hidden="true">⏎</kbd></button>
            {run?.running === true
              ? <button type="button" className="button plain" onClick={stop}>Stop</button>
              : <button type="button" className="button plain" onClick={() => { setSources([]); setText(''); setRun(undefined); }}>Clear</button>}
          </div>
          <p className="field-about">Everything else is sent as the form for one says it.</p>
        </div>
      </section>
      <section className="pane" aria-label="Output">
        <div className="pane-head"><h2>Output</h2></div>
        {run === undefined
          ? <div className="placeholder"><p>A row for each appears here as it is answered.</p><i style={{ width: '84%' }} /><i style={{ width: '84%' }} /><i style={{ width: '84%' }} /></div>
          : <Results endpoint={endpoint} sources={run.sources} results={run.results} running={run.running} seconds={run.seconds} onOpen={onOpen} />}
      </section>
    </div>
  );
}

interface FileSourcesProps {
  readonly field: string;
  readonly accept: string;
  readonly sources: readonly BatchSource[];
  readonly onSources: (sources: readonly BatchSource[]) => void;
}

function FileSources({ field, accept, sources, onSources }: FileSourcesProps) {
  const size = sources.reduce((sum, source) => sum + (source.file?.size ?? 0), 0);
  return (
    <div className="field" role="group" aria-label={field}>
      <DropZone id="batch-files" title={field} icon={accept.startsWith('image/') ? 'image' : accept.startsWith('audio/') ? 'sound' : 'file'} hint="Drop or paste files, or choose them" accept={accept} many invalid={false} describedBy="" onFiles={(files) => onSources([...sources, ...files.map((file) => ({ name: file.name, file, read: async () => ({ content: await readAsDataUrl(file) }) }))])} />
      {sources.length > 0 && <p className="caption number">{sources.length.toLocaleString('en')} {sources.length === 1 ? 'file' : 'files'} · {formatSize(size)}</p>}
    </div>
  );
}

interface TextSourcesProps {
  readonly kind: 'lines' | 'rows';
  readonly field: string;
  readonly columns: readonly string[];
  readonly text: string;
  readonly count: number;
  readonly onText: (text: string) => void;
}

function TextSources({ kind, field, columns, text, count, onText }: TextSourcesProps) {
  const chooser = useRef<HTMLInputElement>(null);
  const read = (files: readonly File[]): void => void files[0]!.text().then(onText);
  const { over, target } = useFileDrop(read);
  return (
    <div className="field batch-text" data-over={over} {...target}>
      <div className="field-head"><label htmlFor="batch-text">{field}</label><span className="caption">{kind === 'lines' ? 'one a line' : 'cells from a spreadsheet, or CSV'}</span></div>
      <textarea id="batch-text" className="entry code" rows={8} spellCheck={false} placeholder={kind === 'rows' ? columns.join('\t') : ''} value={text} onChange={(event) => onText(event.target.value)} />
      <div className="tools">
        <button type="button" className="button small" onClick={() => chooser.current?.click()}>Open a file</button>
        <span className="caption tools-end number">{count.toLocaleString('en')} {kind === 'lines' ? (count === 1 ? 'line' : 'lines') : (count === 1 ? 'row' : 'rows')}</span>
      </div>
      <FileChooser ref={chooser} label={`${field}: file`} accept=".csv,.tsv,.txt,text/*" onFiles={read} />
    </div>
  );
}

interface ResultsProps {
  readonly endpoint: Endpoint;
  readonly sources: readonly BatchSource[];
  readonly results: readonly (BatchResult | undefined)[];
  readonly running: boolean;
  readonly seconds: number;
  readonly onOpen: (value: unknown, answer: Answer) => void;
}

function Results({ endpoint, sources, results, running, seconds, onOpen }: ResultsProps) {
  const done = results.filter((result) => result !== undefined).length;
  const failed = results.filter((result) => result?.problem !== undefined).length;
  const name = (extension: string): string => stampedName(endpoint.model, endpoint.version, extension, new Date());
  const saveLines = (): void => download(name('jsonl'), results.map((result, index) => `${formatJson({ name: sources[index]!.name, ...(result?.answer === undefined ? { problem: result?.problem ?? 'not run' } : { answer: result.answer.value }) })}\n`).join(''), 'application/x-ndjson');
  const saveTable = (): void => {
    const rows = results.map((result) => (result?.answer === undefined ? { problem: result?.problem ?? 'not run' } : answerCells(result.answer.value)));
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const lines = [['name', ...columns], ...rows.map((row, index) => [sources[index]!.name, ...columns.map((column) => String((row as Record<string, string | number>)[column] ?? ''))])];
    download(name('csv'), `${lines.map(formatRow).join('\r\n')}\r\n`, 'text/csv');
  };
  return (
    <>
      <div className="batch-progress">
        <progress max={sources.length} value={done} aria-label="Progress" />
        <p className="caption number" role="status">{done.toLocaleString('en')} of {sources.length.toLocaleString('en')}{failed === 0 ? '' : ` · ${failed} failed`}{running ? '' : ` · ${seconds.toFixed(1)} s${done === sources.length ? '' : ' · stopped'}`}</p>
      </div>
      <div className="table-frame batch-results" role="region" aria-label="Results" tabIndex={0}>
        <table>
          <thead><tr><th scope="col">Input</th><th scope="col">Answer</th><td /></tr></thead>
          <tbody>
            {sources.slice(0, mostDrawn).map((source, index) => <ResultRow key={index} endpoint={endpoint} source={source} result={results[index]} onOpen={onOpen} />)}
          </tbody>
        </table>
      </div>
      {sources.length > mostDrawn && <p className="caption">The first {mostDrawn} are shown; the files have all.</p>}
      <div className="tools">
        <button type="button" className="button small" disabled={done === 0} onClick={saveTable}><Icon name="download" size={14} />CSV</button>
        <button type="button" className="button small" disabled={done === 0} onClick={saveLines}><Icon name="download" size={14} />JSON lines</button>
      </div>
    </>
  );
}

interface ResultRowProps {
  readonly endpoint: Endpoint;
  readonly source: BatchSource;
  readonly result: BatchResult | undefined;
  readonly onOpen: (value: unknown, answer: Answer) => void;
}

function ResultRow({ endpoint, source, result, onOpen }: ResultRowProps) {
  return (
    <tr>
      <th scope="row"><span className="batch-name">{source.file?.type.startsWith('image/') === true && <Thumbnail file={source.file} />}<span title={source.name}>{source.name}</span></span></th>
      <td className={result?.problem === undefined ? undefined : 'bad'}>{result === undefined ? <span className="quiet">…</span> : result.problem ?? endpoint.summarizeAnswer(result.answer!.value)}</td>
      <td className="row-end">{result?.answer !== undefined && <button type="button" className="button plain small" aria-label={`Open ${source.name}`} onClick={() => onOpen(result.value, result.answer!)}>Open</button>}</td>
    </tr>
  );
}

function Thumbnail({ file }: { readonly file: File }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(file);
    const timer = setTimeout(() => setUrl(made));
    return () => {
      clearTimeout(timer);
      URL.revokeObjectURL(made);
    };
  }, [file]);
  return <img src={url} alt="" loading="lazy" />;
}

function linesOf(text: string): BatchSource[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '').map((line) => ({ name: line.slice(0, 80), read: () => Promise.resolve({ content: line }) }));
}

function rowsOf(text: string, columns: readonly string[]): BatchSource[] {
  if (text.trim() === '') return [];
  return rowsByColumn(parseDelimited(text), columns).map((cells) => ({ name: Object.values(cells).join(' · ').slice(0, 80), read: () => Promise.resolve({ cells }) }));
}
