/** An answered tensor as what it most likely is: one number, bars, texts, a table or a heat map. */
import { useState } from 'react';
import type { PageTensor } from '../api-types.ts';
import { HeatMap } from './heat-map.tsx';
import { areProbabilities, formatNumber, formatScore, type LabelScore } from './label-scores.ts';
import { ScoreBars } from './score-bars.tsx';
import { Table, type Cell } from './table.tsx';

type Element = number | bigint | string | boolean | null;

export interface AnsweredTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: readonly Element[];
}

/** Wider than this a matrix is a heat map, not a table. */
const widestTable = 12;

export function TensorView({ tensor, spec }: { readonly tensor: AnsweredTensor; readonly spec: PageTensor | undefined }) {
  const { shape, data } = tensor;
  const numeric = data.every((element) => typeof element === 'number');
  if (data.length === 0) return <p className="quiet">No elements.</p>;
  if (data.length === 1) return <p className="big-number">{formatElement(data[0]!)}{spec?.unit !== undefined && <span className="unit">{spec.unit}</span>}</p>;
  const labels = spec?.labels;
  if (labels !== undefined && numeric && data.length === labels.length) return <ScoreBars scores={labelled(data, labels)} />;

  const width = shape.at(-1) ?? data.length;
  const long = shape.filter((size) => size > 1).length;
  // A single long row is read from top to bottom.
  if (long >= 2 || (shape.length >= 2 && width <= widestTable)) {
    return !numeric || (long <= 2 && width <= widestTable) ? <Matrix tensor={tensor} labels={labels} /> : <Planes tensor={tensor} />;
  }
  return <Table label={tensor.name} numbered columns={['value']} rows={data.map((element) => [element])} />;
}

function labelled(values: readonly number[], labels: readonly string[]): LabelScore[] {
  return values.map((score, index) => ({ label: labels[index] ?? String(index), score })).sort((left, right) => right.score - left.score);
}

function Matrix({ tensor, labels }: { readonly tensor: AnsweredTensor; readonly labels: readonly string[] | undefined }) {
  const width = tensor.shape.at(-1) ?? 1;
  const rows = Array.from({ length: tensor.data.length / Math.max(1, width) }, (_, row) => tensor.data.slice(row * width, (row + 1) * width) as readonly Cell[]);
  const columns = Array.from({ length: width }, (_, column) => labels?.[column] ?? String(column));
  return <Table label={tensor.name} numbered columns={columns} rows={rows} />;
}

/** The last two axes as a picture; with more axes, one plane at a time. */
function Planes({ tensor }: { readonly tensor: AnsweredTensor }) {
  const [chosen, setChosen] = useState(0);
  const height = tensor.shape.at(-2) ?? 1;
  const width = tensor.shape.at(-1) ?? 1;
  const count = tensor.data.length / (height * width);
  const plane = Math.min(chosen, count - 1);
  const data = (tensor.data as readonly number[]).slice(plane * height * width, (plane + 1) * height * width);
  return (
    <>
      <HeatMap label={`${tensor.name}, ${height} rows of ${width}`} width={width} height={height} data={data} />
      {count > 1 && (
        <label className="row caption">
          Plane {plane + 1} of {count}
          <input className="slider" style={{ maxWidth: 240, '--fill': `${(plane / (count - 1)) * 100}%` } as React.CSSProperties} type="range" min={0} max={count - 1} value={plane} onChange={(event) => setChosen(event.target.valueAsNumber)} />
        </label>
      )}
    </>
  );
}

function formatElement(element: Element): string {
  return typeof element === 'number' || typeof element === 'bigint' ? formatNumber(element) : String(element);
}

/** One line about a tensor. */
export function summarizeTensor({ name, shape, data }: AnsweredTensor, labels: readonly string[] | undefined): string {
  if (data.length === 1) return `${name} ${formatElement(data[0]!)}`;
  if (labels !== undefined && data.length === labels.length && data.every((element) => typeof element === 'number')) {
    const scores = labelled(data, labels);
    return `${scores[0]!.label} ${formatScore(scores[0]!.score, areProbabilities(scores))}`;
  }
  return data.length <= 4 ? `${name} ${data.map(formatElement).join(', ')}` : `${name} [${shape.join(', ')}]`;
}
