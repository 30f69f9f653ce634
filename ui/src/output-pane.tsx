import { useState } from 'react';
import type { Timing } from './api.ts';
import { download, stampedName } from './download.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { Icon } from './icons.tsx';
import { formatJson } from './json.ts';
import type { Runner, RunProblem } from './run.ts';
import { useCopy } from './toast.tsx';

export interface OutputPaneProps {
  readonly endpoint: Endpoint;
  readonly runner: Runner;
  /** Whether the form says something else than what was answered. */
  readonly stale: boolean;
  readonly onShare: () => void;
}

export function OutputPane({ endpoint, runner, stale, onShare }: OutputPaneProps) {
  const { answer, problem, running } = runner;
  const [asJson, setAsJson] = useState(false);
  const copy = useCopy();
  const { Output } = endpoint;
  const spoken = running || answer === undefined || problem !== undefined ? '' : `Result: ${endpoint.summarizeAnswer(answer.value)}`;
  return (
    <section className="pane" aria-label="Output" aria-busy={running}>
      <div>
        <div className="pane-head">
          <h2>Output</h2>
          {answer !== undefined && <button type="button" className="button plain small" aria-pressed={asJson} onClick={() => setAsJson(!asJson)}>JSON</button>}
        </div>
        <div className="progress" data-on={running} aria-hidden="true" />
        <p className="unseen" role="status">{spoken}</p>
        <div role="alert">{problem !== undefined && <Problem problem={problem} />}</div>
      </div>
      <div className="output" data-stale={answer !== undefined && (running || stale || problem !== undefined)} data-testid="output">
        {answer === undefined
          ? <Placeholder task={endpoint.task !== undefined} />
          : asJson ? <pre className="raw" tabIndex={0} aria-label="Answer as JSON">{formatJson(answer.value, 2)}</pre> : <Output answer={answer.value} />}
      </div>
      <div className="output-foot">
        <p className="timing" data-testid="timing">{answer === undefined ? ' ' : timingText(answer.timing)}</p>
        <div className="foot-tools">
          {answer !== undefined && <button type="button" className="button plain small" onClick={() => void copy(formatJson(answer.value, 2), 'Answer')}><Icon name="copy" size={14} />Copy</button>}
          {answer !== undefined && <button type="button" className="button plain small" onClick={() => download(stampedName(endpoint.model, endpoint.version, 'json', new Date()), `${formatJson(answer.value, 2)}\n`)}><Icon name="download" size={14} />Download</button>}
          <button type="button" className="button plain small" onClick={onShare}><Icon name="link" size={14} />Share</button>
        </div>
      </div>
    </section>
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

export function timingText({ queue, run, total, batchSize, roundTrip }: Timing): string {
  const parts = [
    ...(queue === undefined ? [] : [`queue ${milliseconds(queue)}`]),
    ...(run === undefined ? [] : [`run ${milliseconds(run)}`]),
    total === undefined ? `${milliseconds(roundTrip)} ms with the network` : `total ${milliseconds(total)} ms`,
    ...(batchSize === undefined ? [] : [`batch of ${batchSize}`]),
  ];
  return parts.join(' · ');
}

function milliseconds(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
