import type { ReactNode } from 'react';
import type { Endpoint, Example } from './endpoints/endpoint.ts';
import { Icon } from './icons.tsx';
import { formatJson } from './json.ts';
import type { FieldProblem } from './schema.ts';

export interface ModelFormProps {
  readonly endpoint: Endpoint;
  readonly value: unknown;
  readonly problems: readonly FieldProblem[];
  readonly running: boolean;
  readonly live: boolean;
  /** Of a conversation: the answer that is being written. */
  readonly reply: string | undefined;
  readonly onChange: (value: unknown) => void;
  readonly onRun: () => void;
  readonly onCancel: () => void;
  readonly onClear: () => void;
  readonly onExample: (example: Example) => void;
  readonly onLive: (live: boolean) => void;
  /** Absent where a form is filled for one run at a time. */
  readonly onMany: (() => void) | undefined;
  /** Of endpoints that hear streams: what listens now, or begins to. */
  readonly listening: ReactNode;
}

export function ModelForm({ endpoint, value, problems, running, live, reply, onChange, onRun, onCancel, onClear, onExample, onLive, onMany, listening }: ModelFormProps) {
  const { Form } = endpoint;
  // A conversation has its own buttons, beside what is being written.
  const talks = endpoint.withReply !== undefined;
  const written = value === undefined ? '' : formatJson(value);
  return (
    <section className="pane" aria-label="Input">
      <div className="pane-head">
        <h2>{talks ? 'Conversation' : 'Input'}</h2>
        {onMany !== undefined && <button type="button" className="button plain small" onClick={onMany}><Icon name="stack" size={14} />Many at once</button>}
      </div>
      <form
        className="form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          onRun();
        }}
        onReset={(event) => {
          event.preventDefault();
          onCancel();
        }}
      >
        <Form value={value} problems={problems} reply={reply} onChange={onChange} />
        {listening}
        {!talks && <div className="actions">
          <button type="submit" className="button primary">Run <kbd aria-hidden="true">⏎</kbd></button>
          {running
            ? <button type="button" className="button plain" onClick={onCancel}>Stop</button>
            : <button type="button" className="button plain" onClick={onClear}>{endpoint.task === undefined ? 'Reset' : 'Clear'}</button>}
          <label className="live" title="Run whenever the input changes">
            <input className="switch" type="checkbox" role="switch" checked={live} onChange={(event) => onLive(event.target.checked)} />
            Run on change
          </label>
        </div>}
      </form>
      {endpoint.examples.length > 0 && (
        <div className="examples">
          <h3 className="heading">Examples</h3>
          <div className="chips">
            {endpoint.examples.map((example, index) => (
              <button key={index} type="button" className="chip" aria-pressed={formatJson(example.value) === written} aria-label={example.summary.text === '' ? `Example ${index + 1}` : undefined} onClick={() => onExample(example)}>
                {example.summary.image !== undefined && <img src={example.summary.image} alt="" />}
                {example.summary.text !== '' && <span>{example.summary.text}</span>}
              </button>
            ))}
          </div>
        </div>
      )}
    </section>
  );
}
