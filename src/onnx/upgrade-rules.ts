/** What changed in which version of the standard operators, as rules from the version before. Operators without a rule stayed as they were for what they could do then. */
import { integerAttribute, textAttribute, withAttributes, withInput, withoutAttributes } from './edit-node.ts';
import type { NodeProto } from './model-proto.ts';
import type { UpgradeContext, UpgradeRule } from './upgrade-opset.ts';

/** A list that was an attribute becomes an input. */
const attributeToInput =
  (name: string, index: number): UpgradeRule =>
  (node, context) => {
    const list = context.attributes.integers(name);
    return [list === undefined ? node : withInput(withoutAttributes(node, name), index, context.int64s(list))];
  };

/** Before version 13 these looked at everything from the axis on as one row. */
const coercedSoftmax: UpgradeRule = (node, context) => {
  const axis = context.attributes.integer('axis') ?? 1;
  const rank = context.rank(node.input[0]);
  const rest = withoutAttributes(node, 'axis');
  const last = (target: NodeProto) => withAttributes(target, integerAttribute('axis', -1));
  if (rank !== undefined && (axis === -1 || axis === rank - 1)) return [last(rest)];
  if (axis === -1) return [last(rest)];
  // Flatten takes an axis of at most the rank; the shape is put back after.
  const [shape, flat, result] = [context.newName(), context.newName(), context.newName()];
  return [
    { input: [node.input[0]!], output: [shape], opType: 'Shape', attribute: [] },
    { input: [node.input[0]!], output: [flat], opType: 'Flatten', attribute: [integerAttribute('axis', axis)] },
    last({ ...rest, input: [flat], output: [result] }),
    { input: [result, shape], output: node.output, opType: 'Reshape', attribute: [] },
  ];
};

/** Lower and upper bounds. */
const clip: UpgradeRule = (node, context) => {
  const elementType = context.elementType(node.input[0]);
  const [least, most] = [context.attributes.float('min'), context.attributes.float('max')];
  if (least === undefined && most === undefined) return [node];
  if (elementType === 0) throw context.refuse('the type of its input is not known');
  let changed = withoutAttributes(node, 'min', 'max');
  if (least !== undefined) changed = withInput(changed, 1, context.scalar(elementType, least));
  if (most !== undefined) changed = withInput(changed, 2, context.scalar(elementType, most));
  return [changed];
};

const pad: UpgradeRule = (node, context) => {
  const elementType = context.elementType(node.input[0]);
  const value = context.attributes.float('value') ?? 0;
  if (value !== 0 && elementType === 0) throw context.refuse('the type of its input is not known');
  const changed = withInput(withoutAttributes(node, 'pads', 'value'), 1, context.int64s(context.attributes.integers('pads') ?? []));
  return [value === 0 ? changed : withInput(changed, 2, context.scalar(elementType, value))];
};

const slice: UpgradeRule = (node, { attributes, int64s }) => {
  let changed = withInput(withoutAttributes(node, 'starts', 'ends', 'axes'), 1, int64s(attributes.integers('starts') ?? []));
  changed = withInput(changed, 2, int64s(attributes.integers('ends') ?? []));
  const axes = attributes.integers('axes');
  return [axes === undefined ? changed : withInput(changed, 3, int64s(axes))];
};

const topK: UpgradeRule = (node, { attributes, int64s }) => [withInput(withoutAttributes(node, 'k'), 1, int64s([attributes.integer('k') ?? 0]))];

/** In version 7 the scales are an attribute, later an input. */
const upsampleScales: UpgradeRule = (node, context) => {
  const scales = context.attributes.floats('scales');
  return scales === undefined ? [node] : [withInput(withoutAttributes(node, 'scales'), 1, context.constant({ elementType: 1, shape: [scales.length], data: scales }))];
};

/** Version 10 divided positions by the scale and rounded down. Version 11 names that, and takes a region of interest before the scales. */
const resize: UpgradeRule = (node, context) => {
  const region = context.constant({ elementType: 1, shape: [0], data: new Float32Array(0) });
  return [withAttributes({ ...node, input: [node.input[0]!, region, node.input[1]!] }, textAttribute('coordinate_transformation_mode', 'asymmetric'), textAttribute('nearest_mode', 'floor'))];
};

const dropout: UpgradeRule = (node, context) => {
  if (node.output.length > 1 && node.output[1] !== '') throw context.refuse('its mask is used');
  return [{ input: [node.input[0]!], output: [node.output[0]!], ...(node.name === undefined ? {} : { name: node.name }), opType: 'Identity', attribute: [] }];
};

const batchNormalization: UpgradeRule = (node, context) => {
  if (context.attributes.integer('spatial') === 0) throw context.refuse('it is not spatial');
  return [withoutAttributes(node, 'spatial')];
};

/** Version 14 has three outputs, and only while training. */
const inferenceOnly: UpgradeRule = (node, context) => {
  if (node.output.slice(1).some((name) => name !== '')) throw context.refuse('it is made for training');
  return [{ ...node, output: [node.output[0]!] }];
};

const renamed =
  (opType: string): UpgradeRule =>
  (node) => [{ ...node, opType }];

const split18: UpgradeRule = (node) => (node.input.length > 1 && node.input[1] !== '' ? [node] : [withAttributes(node, integerAttribute('num_outputs', node.output.length))]);

/** What was meant without saying it. */
const withDefault =
  (name: string, value: string): UpgradeRule =>
  (node, { attributes }) => [attributes.has(name) ? node : withAttributes(node, textAttribute(name, value))];

const gridSample: UpgradeRule = (node, { attributes }) => {
  const mode = { bilinear: 'linear', bicubic: 'cubic', nearest: 'nearest' }[attributes.text('mode') ?? 'bilinear'] ?? 'linear';
  return [withAttributes(withoutAttributes(node, 'mode'), textAttribute('mode', mode))];
};

const fourier: UpgradeRule = (node, context) => [withInput(withoutAttributes(node, 'axis'), 2, context.scalar(7, context.attributes.integer('axis') ?? 1))];

const refuse =
  (what: string): UpgradeRule =>
  (_, context: UpgradeContext) => {
    throw context.refuse(what);
  };

const rules: Readonly<Record<string, UpgradeRule>> = {
  'Upsample:9': upsampleScales,
  'BatchNormalization:9': batchNormalization,
  'Scan:9': refuse('Scan of version 8 has batches'),
  'Upsample:10': renamed('Resize'),
  'Slice:10': slice,
  'TopK:10': topK,
  'Dropout:10': dropout,
  'Resize:11': resize,
  'Clip:11': clip,
  'Pad:11': pad,
  'Scatter:11': renamed('ScatterElements'),
  'Dropout:12': dropout,
  'Softmax:13': coercedSoftmax,
  'LogSoftmax:13': coercedSoftmax,
  'Hardmax:13': coercedSoftmax,
  'Squeeze:13': attributeToInput('axes', 1),
  'Unsqueeze:13': attributeToInput('axes', 1),
  'ReduceSum:13': attributeToInput('axes', 1),
  'Split:13': attributeToInput('split', 1),
  'BatchNormalization:14': inferenceOnly,
  'RoiAlign:16': withDefault('coordinate_transformation_mode', 'output_half_pixel'),
  'Split:18': split18,
  'GridSample:20': gridSample,
  'DFT:20': fourier,
  'GroupNormalization:21': refuse('its scale became one for each channel'),
};

const reductions = ['ReduceMax', 'ReduceMean', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2', 'ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare'];

/** By `operator:version`. */
export const upgradeRules: ReadonlyMap<string, UpgradeRule> = new Map([
  ...Object.entries(rules),
  ...reductions.map((name): [string, UpgradeRule] => [`${name}:18`, attributeToInput('axes', 1)]),
]);
