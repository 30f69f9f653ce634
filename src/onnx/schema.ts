/**
 * The messages of onnx.proto (IR version 14) as tables: field number → property and encoding. The reader walks them; a writer can too.
 */
import type * as onnx from './model-proto.ts';

export interface Messages {
  ModelProto: onnx.ModelProto;
  OperatorSetIdProto: onnx.OperatorSetIdProto;
  StringStringEntryProto: onnx.StringStringEntryProto;
  GraphProto: onnx.GraphProto;
  NodeProto: onnx.NodeProto;
  AttributeProto: onnx.AttributeProto;
  ValueInfoProto: onnx.ValueInfoProto;
  TensorProto: onnx.TensorProto;
  Segment: onnx.Segment;
  SparseTensorProto: onnx.SparseTensorProto;
  TensorShapeProto: onnx.TensorShapeProto;
  DimensionProto: onnx.DimensionProto;
  TypeProto: onnx.TypeProto;
  TensorTypeProto: onnx.TensorTypeProto;
  ElementTypeProto: onnx.ElementTypeProto;
  MapTypeProto: onnx.MapTypeProto;
  OpaqueTypeProto: onnx.OpaqueTypeProto;
  TensorAnnotation: onnx.TensorAnnotation;
  FunctionProto: onnx.FunctionProto;
  TrainingInfoProto: onnx.TrainingInfoProto;
  DeviceConfigurationProto: onnx.DeviceConfigurationProto;
  NodeDeviceConfigurationProto: onnx.NodeDeviceConfigurationProto;
  ShardingSpecProto: onnx.ShardingSpecProto;
  IntIntListEntryProto: onnx.IntIntListEntryProto;
  ShardedDimProto: onnx.ShardedDimProto;
  SimpleShardedDimProto: onnx.SimpleShardedDimProto;
}

export type MessageName = keyof Messages;

/**
 * How a field is encoded and what it becomes. `integer`: a varint that must fit a number. `int64`: a bigint.
 * `bytes`: read at once. `range`: bytes that stay where they are. `packed32`, `packed64`, `packedVarint`: a repeated number whose
 * packed encoding stays where it is.
 */
export type Encoding = 'string' | 'bytes' | 'integer' | 'int64' | 'float' | 'range' | 'packed32' | 'packed64' | 'packedVarint' | MessageName;

export interface Field {
  readonly name: string;
  readonly encoding: Encoding;
  readonly repeated: boolean;
  /** Repeated, and an empty list where the file has none. */
  readonly always: boolean;
  /** Of the fields with the same `oneof`, the last in the file counts. */
  readonly oneof?: string;
}

export type MessageSchema = ReadonlyMap<number, Field>;

type Fields<T> = Readonly<Record<number, { readonly name: keyof T & string } & Field>>;

function message<T>(fields: Fields<T>): MessageSchema {
  return new Map(Object.entries(fields).map(([number, field]) => [Number(number), field]));
}

function one<const Name extends string>(name: Name, encoding: Encoding): Field & { readonly name: Name } {
  return { name, encoding, repeated: false, always: false };
}

function oneof<const Name extends string>(name: Name, encoding: Encoding, group: string): Field & { readonly name: Name } {
  return { name, encoding, repeated: false, always: false, oneof: group };
}

/** A list that may be absent. */
function some<const Name extends string>(name: Name, encoding: Encoding): Field & { readonly name: Name } {
  return { name, encoding, repeated: true, always: false };
}

/** A list that is always there. */
function many<const Name extends string>(name: Name, encoding: Encoding): Field & { readonly name: Name } {
  return { name, encoding, repeated: true, always: true };
}

export const schema: { readonly [Name in MessageName]: MessageSchema } = {
  ModelProto: message<onnx.ModelProto>({
    1: one('irVersion', 'integer'),
    2: one('producerName', 'string'),
    3: one('producerVersion', 'string'),
    4: one('domain', 'string'),
    5: one('modelVersion', 'int64'),
    6: one('docString', 'string'),
    7: one('graph', 'GraphProto'),
    8: many('opsetImport', 'OperatorSetIdProto'),
    14: many('metadataProps', 'StringStringEntryProto'),
    20: some('trainingInfo', 'TrainingInfoProto'),
    25: many('functions', 'FunctionProto'),
    26: some('configuration', 'DeviceConfigurationProto'),
  }),
  OperatorSetIdProto: message<onnx.OperatorSetIdProto>({ 1: one('domain', 'string'), 2: one('version', 'integer') }),
  StringStringEntryProto: message<onnx.StringStringEntryProto>({ 1: one('key', 'string'), 2: one('value', 'string') }),
  GraphProto: message<onnx.GraphProto>({
    1: many('node', 'NodeProto'),
    2: one('name', 'string'),
    5: many('initializer', 'TensorProto'),
    10: one('docString', 'string'),
    11: many('input', 'ValueInfoProto'),
    12: many('output', 'ValueInfoProto'),
    13: many('valueInfo', 'ValueInfoProto'),
    14: some('quantizationAnnotation', 'TensorAnnotation'),
    15: many('sparseInitializer', 'SparseTensorProto'),
    16: some('metadataProps', 'StringStringEntryProto'),
  }),
  NodeProto: message<onnx.NodeProto>({
    1: many('input', 'string'),
    2: many('output', 'string'),
    3: one('name', 'string'),
    4: one('opType', 'string'),
    5: many('attribute', 'AttributeProto'),
    6: one('docString', 'string'),
    7: one('domain', 'string'),
    8: one('overload', 'string'),
    9: some('metadataProps', 'StringStringEntryProto'),
    10: some('deviceConfigurations', 'NodeDeviceConfigurationProto'),
  }),
  AttributeProto: message<onnx.AttributeProto>({
    1: one('name', 'string'),
    2: one('f', 'float'),
    3: one('i', 'int64'),
    4: one('s', 'bytes'),
    5: one('t', 'TensorProto'),
    6: one('g', 'GraphProto'),
    7: some('floats', 'float'),
    8: some('ints', 'int64'),
    9: some('strings', 'bytes'),
    10: some('tensors', 'TensorProto'),
    11: some('graphs', 'GraphProto'),
    13: one('docString', 'string'),
    14: one('tp', 'TypeProto'),
    15: some('typeProtos', 'TypeProto'),
    20: one('type', 'integer'),
    21: one('refAttrName', 'string'),
    22: one('sparseTensor', 'SparseTensorProto'),
    23: some('sparseTensors', 'SparseTensorProto'),
  }),
  ValueInfoProto: message<onnx.ValueInfoProto>({
    1: one('name', 'string'),
    2: one('type', 'TypeProto'),
    3: one('docString', 'string'),
    4: some('metadataProps', 'StringStringEntryProto'),
  }),
  TensorProto: message<onnx.TensorProto>({
    1: many('dims', 'integer'),
    2: one('dataType', 'integer'),
    3: one('segment', 'Segment'),
    4: one('floatData', 'packed32'),
    5: one('int32Data', 'packedVarint'),
    6: some('stringData', 'bytes'),
    7: one('int64Data', 'packedVarint'),
    8: one('name', 'string'),
    9: one('rawData', 'range'),
    10: one('doubleData', 'packed64'),
    11: one('uint64Data', 'packedVarint'),
    12: one('docString', 'string'),
    13: some('externalData', 'StringStringEntryProto'),
    14: one('dataLocation', 'integer'),
    16: some('metadataProps', 'StringStringEntryProto'),
  }),
  Segment: message<onnx.Segment>({ 1: one('begin', 'integer'), 2: one('end', 'integer') }),
  SparseTensorProto: message<onnx.SparseTensorProto>({ 1: one('values', 'TensorProto'), 2: one('indices', 'TensorProto'), 3: many('dims', 'integer') }),
  TensorShapeProto: message<onnx.TensorShapeProto>({ 1: many('dim', 'DimensionProto') }),
  DimensionProto: message<onnx.DimensionProto>({ 1: oneof('dimValue', 'integer', 'value'), 2: oneof('dimParam', 'string', 'value'), 3: one('denotation', 'string') }),
  TypeProto: message<onnx.TypeProto>({
    1: oneof('tensorType', 'TensorTypeProto', 'value'),
    4: oneof('sequenceType', 'ElementTypeProto', 'value'),
    5: oneof('mapType', 'MapTypeProto', 'value'),
    6: one('denotation', 'string'),
    7: oneof('opaqueType', 'OpaqueTypeProto', 'value'),
    8: oneof('sparseTensorType', 'TensorTypeProto', 'value'),
    9: oneof('optionalType', 'ElementTypeProto', 'value'),
  }),
  TensorTypeProto: message<onnx.TensorTypeProto>({ 1: one('elemType', 'integer'), 2: one('shape', 'TensorShapeProto') }),
  ElementTypeProto: message<onnx.ElementTypeProto>({ 1: one('elemType', 'TypeProto') }),
  MapTypeProto: message<onnx.MapTypeProto>({ 1: one('keyType', 'integer'), 2: one('valueType', 'TypeProto') }),
  OpaqueTypeProto: message<onnx.OpaqueTypeProto>({ 1: one('domain', 'string'), 2: one('name', 'string') }),
  TensorAnnotation: message<onnx.TensorAnnotation>({ 1: one('tensorName', 'string'), 2: many('quantParameterTensorNames', 'StringStringEntryProto') }),
  FunctionProto: message<onnx.FunctionProto>({
    1: one('name', 'string'),
    4: many('input', 'string'),
    5: many('output', 'string'),
    6: many('attribute', 'string'),
    7: many('node', 'NodeProto'),
    8: one('docString', 'string'),
    9: many('opsetImport', 'OperatorSetIdProto'),
    10: one('domain', 'string'),
    11: many('attributeProto', 'AttributeProto'),
    12: some('valueInfo', 'ValueInfoProto'),
    13: one('overload', 'string'),
    14: some('metadataProps', 'StringStringEntryProto'),
  }),
  TrainingInfoProto: message<onnx.TrainingInfoProto>({
    1: one('initialization', 'GraphProto'),
    2: one('algorithm', 'GraphProto'),
    3: many('initializationBinding', 'StringStringEntryProto'),
    4: many('updateBinding', 'StringStringEntryProto'),
  }),
  DeviceConfigurationProto: message<onnx.DeviceConfigurationProto>({ 1: one('name', 'string'), 2: one('numDevices', 'integer'), 3: many('device', 'string') }),
  NodeDeviceConfigurationProto: message<onnx.NodeDeviceConfigurationProto>({
    1: one('configurationId', 'string'),
    2: many('shardingSpec', 'ShardingSpecProto'),
    3: one('pipelineStage', 'integer'),
  }),
  ShardingSpecProto: message<onnx.ShardingSpecProto>({
    1: one('tensorName', 'string'),
    2: many('device', 'integer'),
    3: many('indexToDeviceGroupMap', 'IntIntListEntryProto'),
    4: many('shardedDim', 'ShardedDimProto'),
  }),
  IntIntListEntryProto: message<onnx.IntIntListEntryProto>({ 1: one('key', 'integer'), 2: many('value', 'integer') }),
  ShardedDimProto: message<onnx.ShardedDimProto>({ 1: one('axis', 'integer'), 2: many('simpleSharding', 'SimpleShardedDimProto') }),
  SimpleShardedDimProto: message<onnx.SimpleShardedDimProto>({
    1: oneof('dimValue', 'integer', 'dim'),
    2: oneof('dimParam', 'string', 'dim'),
    3: one('numShards', 'integer'),
  }),
};
