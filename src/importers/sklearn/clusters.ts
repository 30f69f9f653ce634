/** Clusters: the nearest centre, or the way down a tree of centres. */
import { PickledObject } from '../../formats/pickle/pickle-value.ts';
import { distances, squaredEuclidean } from './distances.ts';
import type { Converter, Converters } from './estimator.ts';
import { Frame } from './frame.ts';
import { Fitted } from './fitted.ts';
import type { Value } from './graph.ts';

/** The nearest centre, and the distance to each. */
const centres: Converter = (record) => {
  const points = record.rows('cluster_centers_');
  const apart = (rows: Frame) => distances(rows.graph, rows.numbers(), points, 'euclidean', 2, record);
  const means = record.name !== 'MeanShift' && record.name !== 'AffinityPropagation';
  return { record, cluster: (rows) => rows.graph.argmin(apart(rows)), ...(means ? { transform: (rows: Frame) => Frame.of(rows.graph, apart(rows), points.count) } : {}) };
};

const birch: Converter = (record) => {
  const points = record.rows('subcluster_centers_');
  const apart = (rows: Frame) => distances(rows.graph, rows.numbers(), points, 'euclidean', 2, record);
  return { record, cluster: (rows) => rows.graph.gather(rows.graph.integers(record.vector('subcluster_labels_')), rows.graph.argmin(apart(rows))), transform: (rows) => Frame.of(rows.graph, apart(rows), points.count) };
};

/** At each node the nearer of two centres. */
const bisecting: Converter = (record) => {
  const points = record.rows('cluster_centers_');
  const mean = record.has('_X_mean') ? record.vector('_X_mean') : undefined;
  const root = record.get('_bisecting_tree');
  if (!(root instanceof PickledObject)) return record.refuse('it has no _bisecting_tree; is it fitted?');
  const centreOf = (node: Fitted) => node.vector('center').map((value, column) => value + (mean?.[column] ?? 0));
  const label = (rows: Frame, node: Fitted, depth: number): Value => {
    const { graph } = rows;
    if (depth > 500) record.refuse('its tree is too deep');
    if (!node.has('left')) return graph.integers([node.number('label')], [1, 1]);
    const [left, right] = [node.child('left'), node.child('right')];
    const both = { count: 2, width: points.width, data: Float64Array.from([...centreOf(left), ...centreOf(right)]) };
    const nearer = graph.equal(graph.argmin(squaredEuclidean(graph, rows.numbers(), both)), 0);
    return graph.where(nearer, label(rows, left, depth + 1), label(rows, right, depth + 1));
  };
  return {
    record,
    cluster: (rows) => rows.graph.add(label(rows, new Fitted(root, record.version), 0), rows.graph.multiply(rows.graph.argmin(rows.graph.take(rows.numbers(), [0])), 0)),
    transform: (rows) => Frame.of(rows.graph, distances(rows.graph, rows.numbers(), points, 'euclidean', 2, record), points.count),
  };
};

export const clusters: Converters = {
  'sklearn.cluster._kmeans.KMeans': centres,
  'sklearn.cluster._kmeans.MiniBatchKMeans': centres,
  'sklearn.cluster._mean_shift.MeanShift': centres,
  'sklearn.cluster._affinity_propagation.AffinityPropagation': centres,
  'sklearn.cluster._birch.Birch': birch,
  'sklearn.cluster._bisect_k_means.BisectingKMeans': bisecting,
};
