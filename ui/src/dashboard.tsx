import { useMemo, type ReactNode } from 'react';
import type { PageModel } from './api-types.ts';
import { figuresBetween, totalRequests, type Figures, type Reading } from './dashboard-figures.ts';
import { formatRoute } from './route.ts';
import { stateOf } from './side.tsx';
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
  /** The first is written large, the second beside it. */
  readonly values: readonly ((figures: Figures) => number | undefined)[];
  readonly names?: readonly string[];
  readonly digits: number;
}

const cards: readonly Card[] = [
  { title: 'Requests', unit: 'a second', values: [(figures) => figures.requestsPerSecond], digits: 1 },
  { title: 'Latency', unit: 'ms', values: [(figures) => figures.p95Ms, (figures) => figures.p50Ms], names: ['p95', 'p50'], digits: 1 },
  { title: 'Batch size', unit: 'rows a run', values: [(figures) => figures.batchSize], digits: 1 },
  { title: 'Queue', unit: 'waiting', values: [(figures) => figures.waiting], digits: 0 },
  { title: 'Errors', unit: 'a second', values: [(figures) => figures.failuresPerSecond], digits: 1 },
  { title: 'Memory', unit: 'MB', values: [(figures) => (figures.memoryBytes === undefined ? undefined : figures.memoryBytes / 1e6)], digits: 0 },
];

export function Dashboard({ models, banner }: { readonly models: readonly PageModel[]; readonly banner: ReactNode }) {
  const { readings, failed } = useReadings();
  const course = useMemo(() => readings.slice(1).map((reading, index) => figuresBetween(windowStart(readings, index + 1), reading)), [readings]);
  const last = course.at(-1);
  return (
    <div className="page">
      {banner}
      <div className="dashboard">
        <div className="dashboard-head">
          <h1>Dashboard</h1>
          <p className="quiet">{failed ? 'Metrics do not answer; the last figures stand.' : 'The last two minutes, live.'} <a href="metrics">All metrics</a></p>
        </div>
        <div className="cards">
          {cards.map((card) => <CardView key={card.title} card={card} course={course} last={last} />)}
        </div>
        <section className="per-model">
          <h2>By model</h2>
          <ModelTable models={models} readings={readings} />
        </section>
      </div>
    </div>
  );
}

function CardView({ card, course, last }: { readonly card: Card; readonly course: readonly Figures[]; readonly last: Figures | undefined }) {
  const [first, second] = card.values.map((read) => (last === undefined ? undefined : read(last)));
  const written = format(first, card.digits);
  return (
    <section className="card" aria-label={card.title}>
      <h2>{card.title}</h2>
      <p className="card-value">
        <span className={first === undefined ? 'nothing-yet' : undefined}>{written}</span>
        <small>{card.unit}{card.names === undefined ? '' : ` ${card.names[0]}`}</small>
        {card.names !== undefined && <small>· {format(second, card.digits)} {card.names[1]}</small>}
      </p>
      <Sparkline label={`${card.title} over the last two minutes, now ${written} ${card.unit}`} capacity={Math.max(fewestPoints, course.length)} series={card.values.map((read) => course.map(read))} />
    </section>
  );
}

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
            {['Requests/s', 'p50 ms', 'p95 ms', 'Queue ms', 'Batch', 'Total'].map((title) => <th key={title} scope="col" className="numeric">{title}</th>)}
          </tr>
        </thead>
        <tbody>
          {models.map((model) => {
            const figures = last === undefined || start === undefined ? undefined : figuresBetween(start, last, model.name);
            return (
              <tr key={model.name}>
                <td><a href={formatRoute({ page: 'model', name: model.name })}>{model.name}</a></td>
                <td><StateMark state={stateOf(model)} word /></td>
                <td className="numeric">{format(figures?.requestsPerSecond, 1)}</td>
                <td className="numeric">{format(figures?.p50Ms, 1)}</td>
                <td className="numeric">{format(figures?.p95Ms, 1)}</td>
                <td className="numeric">{format(figures?.queueMs, 1)}</td>
                <td className="numeric">{format(figures?.batchSize, 1)}</td>
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
