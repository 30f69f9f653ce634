import { useMemo, useState } from 'react';
import type { Timing } from './api.ts';
import { download, stampedName } from './download.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { Flag } from './flag.tsx';
import { Icon } from './icons.tsx';
import { formatJson, type JsonValue } from './json.ts';
import type { Runner, RunProblem } from './run.ts';
import { useCopy } from './toast.tsx';
import { Waiting } from './waiting.tsx';

export interface OutputPaneProps {
  readonly endpoint: Endpoint;
  readonly runner: Runner;
  /** What was answered. */
  readonly answered: unknown;
  /** The answer stands in the conversation already. */
  readonly said: boolean;
  /** Whether the form says something else than what was answered. */
  readonly stale: boolean;
  readonly onShare: () => void;
}

export function OutputPane({ endpoint, runner, answered, said, stale, onShare }: OutputPaneProps) {
  const { answer, problem, running, partial } = runner;
  const [asJson, setAsJson] = useState(false);
  const copy = useCopy();
  const { Output } = endpoint;
  const spoken = running || answer === undefined || problem !== undefined ? '' : `Result: ${endpoint.summarizeAnswer(answer.value)}`;
  return (
    <section className="pane" aria-label="Output" aria-busy={running}>
      <div>
        <div className="pane-head">
          <h2>{endpoint.withReply === undefined ? 'Output' : 'Last answer'}</h2>
          {answer !== undefined && <button type="button" className="button plain small" aria-pressed={asJson} onClick={() => setAsJson(!asJson)}>JSON</button>}
        </div>
        <Waiting endpoint={endpoint} runner={runner} />
        <p className="unseen" role="status">{spoken}</p>
        <div role="alert">{problem !== undefined && <Problem problem={problem} />}</div>
      </div>
      <div className="output" data-said={said && !asJson} data-stale={answer !== undefined && !partial && (running || stale || problem !== undefined)} data-partial={partial} data-testid="output">
        {said && !asJson ? null : answer === undefined
          ? <Placeholder task={endpoint.task !== undefined} />
          : asJson ? <RawJson value={answer.value} /> : <Output answer={answer.value} input={answered} />}
      </div>
      <div className="output-foot">
        <p className="timing" data-testid="timing">{answer === undefined ? ' ' : timingText(answer.timing)}</p>
        <div className="foot-tools">
          {answer !== undefined && <button type="button" className="button plain small" onClick={() => void copy(formatJson(answer.value, 2), 'Answer')}><Icon name="copy" size={14} />Copy</button>}
          {answer !== undefined && <button type="button" className="button plain small" onClick={() => download(stampedName(endpoint.model, endpoint.version, 'json', new Date()), `${formatJson(answer.value, 2)}\n`)}><Icon name="download" size={14} />Download</button>}
          {answer !== undefined && !running && <Flag endpoint={endpoint} answered={answered} answer={answer} />}
          <button type="button" className="button plain small" onClick={onShare}><Icon name="link" size={14} />Share</button>
        </div>
      </div>
    </section>
  );
}

/** More is copied and downloaded, not drawn. */
const mostDrawn = 200_000;

function RawJson({ value }: { readonly value: JsonValue }) {
  const text = useMemo(() => formatJson(value, 2), [value]);
  return (
    <>
      <pre className="raw" tabIndex={0} aria-label="Answer as JSON">{text.slice(0, mostDrawn)}</pre>
      {text.length > mostDrawn && <p className="caption">The first {mostDrawn.toLocaleString('en')} of {text.length.toLocaleString('en')} characters. Copy and Download take all.</p>}
    </>
  );
}

function Problem({ problem }: { readonly problem: RunProblem }) {
  return (
    <div className="problem">
      <Icon name="warning" />
      <div>
        <p>{problem.message}</p>
        <p className="problem-next">{problem.next}</p>
      </div>
    </div>
  );
}

/** The place that the output will take. */
function Placeholder({ task }: { readonly task: boolean }) {
  return (
    <div className="placeholder">
      <p>{task ? 'The answer appears here.' : 'Fill in the tensors and run: the answer appears here.'}</p>
      <i style={{ width: '72%' }} />
      <i style={{ width: '38%' }} />
      <i style={{ width: '21%' }} />
    </div>
  );
}

export function timingText({ queue, run, total, batchSize, parts: partCount, roundTrip }: Timing): string {
  const parts = [
    ...(queue === undefined ? [] : [`queue ${milliseconds(queue)}`]),
    ...(run === undefined ? [] : [`run ${milliseconds(run)}`]),
    total === undefined ? `${milliseconds(roundTrip)} ms with the network` : `total ${milliseconds(total)} ms`,
    ...(partCount === undefined ? [] : [`${partCount.toLocaleString('en')} ${partCount === 1 ? 'part' : 'parts'}`]),
    ...(batchSize === undefined ? [] : [`batch of ${batchSize}`]),
  ];
  return parts.join(' · ');
}

function milliseconds(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
