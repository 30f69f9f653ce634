import { useMemo, useState, type ReactNode } from 'react';
import type { PageModel } from './api-types.ts';
import { batchSizesBetween, failuresBetween, figuresBetween, phasesBetween, totalRequests, type Figures, type Reading, type Share } from './dashboard-figures.ts';
import { stateOf } from './groups.ts';
import { Icon } from './icons.tsx';
import { formatRoute } from './route.ts';
import { Sparkline } from './sparkline.tsx';
import { StateMark } from './state-mark.tsx';
import { useReadings } from './use-readings.ts';

/** Seconds over which rates and percentiles are taken. */
const windowSeconds = 5;
/** Points that a chart is wide; a young one is stretched. */
const fewestPoints = 30;

interface Card {
  readonly title: string;
  readonly unit: string;
  /** The first is written large, the others beside it. */
  readonly values: readonly ((figures: Figures) => number | undefined)[];
  readonly names?: readonly string[];
  readonly digits: number;
  /** Of the process, whichever model is chosen. */
  readonly ofServer?: boolean;
}

const cards: readonly Card[] = [
  { title: 'Requests', unit: 'a second', values: [(figures) => figures.requestsPerSecond], digits: 1 },
  { title: 'Latency', unit: 'ms', values: [(figures) => figures.p95Ms, (figures) => figures.p50Ms, (figures) => figures.p99Ms], names: ['p95', 'p50', 'p99'], digits: 1 },
  { title: 'Batch size', unit: 'rows a run', values: [(figures) => figures.batchSize], digits: 1 },
  { title: 'Queue', unit: 'waiting', values: [(figures) => figures.waiting, (figures) => figures.inProgress], names: ['', 'in progress'], digits: 0 },
  { title: 'Errors', unit: 'a second', values: [(figures) => figures.failuresPerSecond], digits: 1 },
  { title: 'Memory', unit: 'MB', values: [(figures) => (figures.memoryBytes === undefined ? undefined : figures.memoryBytes / 1e6)], digits: 0, ofServer: true },
  { title: 'Processors', unit: 'busy', values: [(figures) => figures.processors], digits: 2, ofServer: true },
];

export function Dashboard({ models, banner }: { readonly models: readonly PageModel[]; readonly banner: ReactNode }) {
  const { readings, failed } = useReadings();
  const [chosen, setChosen] = useState('');
  const model = chosen === '' ? undefined : chosen;
  const course = useMemo(() => readings.slice(1).map((reading, index) => figuresBetween(windowStart(readings, index + 1), reading, model)), [readings, model]);
  const last = course.at(-1);
  const shown = model === undefined ? cards : cards.filter(({ ofServer }) => ofServer !== true);
  return (
    <div className="page">
      {banner}
      <div className="dashboard">
        <div className="dashboard-head">
          <h1>Dashboard</h1>
          <p className="quiet">{failed ? 'Metrics do not answer; the last figures stand.' : 'The last two minutes, live.'} <a href="metrics">All metrics</a></p>
          <span className="version">
            <select aria-label="Figures of" value={chosen} onChange={(event) => setChosen(event.target.value)}>
              <option value="">All models</option>
              {models.map(({ name }) => <option key={name} value={name}>{name}</option>)}
            </select>
            <Icon name="down" size={12} />
          </span>
        </div>
        <div className="cards">
          {shown.map((card) => <CardView key={card.title} card={card} course={course} last={last} />)}
          <Shares readings={readings} model={model} />
        </div>
        <section className="per-model">
          <h2>By model</h2>
          <ModelTable models={model === undefined ? models : models.filter(({ name }) => name === model)} readings={readings} />
        </section>
      </div>
    </div>
  );
}

function CardView({ card, course, last }: { readonly card: Card; readonly course: readonly Figures[]; readonly last: Figures | undefined }) {
  const [first, ...others] = card.values.map((read) => (last === undefined ? undefined : read(last)));
  const written = format(first, card.digits);
  return (
    <section className="card" aria-label={card.title}>
      <h2>{card.title}</h2>
      <p className="card-value">
        <span className={first === undefined ? 'nothing-yet' : undefined}>{written}</span>
        <small>{card.unit}{card.names?.[0] === undefined || card.names[0] === '' ? '' : ` ${card.names[0]}`}</small>
        {others.some((value) => value !== undefined) && others.map((value, index) => <small key={card.names?.[index + 1]}>· {format(value, card.digits)} {card.names?.[index + 1]}</small>)}
      </p>
      <Sparkline label={`${card.title} over the last two minutes, now ${written} ${card.unit}`} capacity={Math.max(fewestPoints, course.length)} series={card.values.slice(0, 2).map((read) => course.map(read))} />
    </section>
  );
}

/** What the last two minutes were made of. */
function Shares({ readings, model }: { readonly readings: readonly Reading[]; readonly model: string | undefined }) {
  const [first, last] = [readings[0], readings.at(-1)];
  const parts = useMemo(() => (first === undefined || last === undefined
    ? { sizes: [], phases: [], failures: [] }
    : { sizes: batchSizesBetween(first, last, model), phases: phasesBetween(first, last, model), failures: failuresBetween(first, last, model) }), [first, last, model]);
  return (
    <>
      <ShareCard title="Batch sizes" about="Runs by rows" shares={parts.sizes} write={(value) => value.toLocaleString('en')} nothing="No runs yet." />
      <ShareCard title="Time" about="Of a request, ms on average" shares={parts.phases} write={(value) => value.toFixed(value < 10 ? 2 : 1)} nothing="No requests yet." />
      {parts.failures.length > 0 && <ShareCard title="Errors by reason" about="Requests" shares={parts.failures} write={(value) => value.toLocaleString('en')} nothing="" />}
    </>
  );
}

interface ShareCardProps {
  readonly title: string;
  readonly about: string;
  readonly shares: readonly Share[];
  readonly write: (value: number) => string;
  readonly nothing: string;
}

const mostShares = 8;

function ShareCard({ title, about, shares, write, nothing }: ShareCardProps) {
  const largest = Math.max(...shares.map(({ value }) => value), Number.MIN_VALUE);
  // Of many sizes the most frequent are shown, in their order.
  const least = [...shares].sort((left, right) => right.value - left.value)[mostShares - 1]?.value ?? 0;
  return (
    <section className="card" aria-label={title}>
      <h2>{title} <span className="caption">{about}</span></h2>
      {shares.length === 0
        ? <p className="caption">{nothing}</p>
        : (
          <ol className="bars small-bars">
            {shares.filter(({ value }) => value >= least).slice(0, mostShares).map(({ label, value }) => (
              <li key={label}>
                <span className="bar-label">{label}</span>
                <span className="bar-track" aria-hidden="true"><span className="bar-fill" style={{ transform: `scaleX(${value / largest})` }} /></span>
                <span className="bar-value">{write(value)}</span>
              </li>
            ))}
          </ol>
        )}
    </section>
  );
}

const columns: readonly { readonly title: string; readonly digits: number; readonly read: (figures: Figures) => number | undefined }[] = [
  { title: 'Requests/s', digits: 1, read: (figures) => figures.requestsPerSecond },
  { title: 'p50 ms', digits: 1, read: (figures) => figures.p50Ms },
  { title: 'p95 ms', digits: 1, read: (figures) => figures.p95Ms },
  { title: 'p99 ms', digits: 1, read: (figures) => figures.p99Ms },
  { title: 'Queue ms', digits: 1, read: (figures) => figures.queueMs },
  { title: 'Batch', digits: 1, read: (figures) => figures.batchSize },
  { title: 'Errors/s', digits: 1, read: (figures) => figures.failuresPerSecond },
];

function ModelTable({ models, readings }: { readonly models: readonly PageModel[]; readonly readings: readonly Reading[] }) {
  const last = readings.at(-1);
  const start = last === undefined ? undefined : windowStart(readings, readings.length - 1);
  return (
    <div className="table-frame" role="region" aria-label="By model" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Model</th>
            <th scope="col">State</th>
            {[...columns.map(({ title }) => title), 'Total'].map((title) => <th key={title} scope="col" className="numeric">{title}</th>)}
          </tr>
        </thead>
        <tbody>
          {models.map((model) => {
            const figures = last === undefined || start === undefined ? undefined : figuresBetween(start, last, model.name);
            return (
              <tr key={model.name}>
                <td><a href={formatRoute({ page: 'model', name: model.name })}>{model.name}</a></td>
                <td><StateMark state={stateOf(model)} word /></td>
                {columns.map(({ title, digits, read }) => <td key={title} className="numeric">{format(figures === undefined ? undefined : read(figures), digits)}</td>)}
                <td className="numeric">{last === undefined ? '–' : totalRequests(last, model.name).toLocaleString('en')}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** The reading some seconds before the one at `index`. */
function windowStart(readings: readonly Reading[], index: number): Reading {
  return readings[Math.max(0, index - windowSeconds)]!;
}

function format(value: number | undefined, digits: number): string {
  return value === undefined ? '–' : value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
