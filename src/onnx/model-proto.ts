/**
 * An ONNX model as plain data, message by message as in onnx.proto (IR version 14), with camelCase names.
 * https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
 *
 * A property that is absent was not in the file. Lists that every message of a kind has are always there, if empty.
 * 64-bit integers that count or measure something are numbers (a file where one does not fit is refused);
 * those that are values are bigints.
 */
import type { ByteRange } from './byte-range.ts';

/** A field that this version of ONNX does not know, as it was in the file. */
export interface UnknownField {
  readonly fieldNumber: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly wireType: number;
  /** The encoded value, without tag and length. */
  readonly value: ByteRange;
}

export interface Message {
  unknownFields?: UnknownField[];
}

export interface ModelProto extends Message {
  irVersion?: number;
  opsetImport: OperatorSetIdProto[];
  producerName?: string;
  producerVersion?: string;
  domain?: string;
  modelVersion?: bigint;
  docString?: string;
  graph?: GraphProto;
  metadataProps: StringStringEntryProto[];
  trainingInfo?: TrainingInfoProto[];
  functions: FunctionProto[];
  configuration?: DeviceConfigurationProto[];
}

export interface OperatorSetIdProto extends Message {
  /** '' or 'ai.onnx' is the standard domain. */
  domain?: string;
  version?: number;
}

export interface StringStringEntryProto extends Message {
  key?: string;
  value?: string;
}

export interface GraphProto extends Message {
  node: NodeProto[];
  name?: string;
  initializer: TensorProto[];
  sparseInitializer: SparseTensorProto[];
  docString?: string;
  input: ValueInfoProto[];
  output: ValueInfoProto[];
  valueInfo: ValueInfoProto[];
  quantizationAnnotation?: TensorAnnotation[];
  metadataProps?: StringStringEntryProto[];
}

export interface NodeProto extends Message {
  /** '' is an optional input that is left out. */
  input: string[];
  output: string[];
  name?: string;
  opType?: string;
  domain?: string;
  overload?: string;
  attribute: AttributeProto[];
  docString?: string;
  metadataProps?: StringStringEntryProto[];
  deviceConfigurations?: NodeDeviceConfigurationProto[];
}

/** `AttributeProto.AttributeType` */
export const AttributeType = {
  UNDEFINED: 0, FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, GRAPH: 5, FLOATS: 6, INTS: 7, STRINGS: 8, TENSORS: 9, GRAPHS: 10, SPARSE_TENSOR: 11, SPARSE_TENSORS: 12,
  TYPE_PROTO: 13, TYPE_PROTOS: 14,
} as const; // prettier-ignore

export interface AttributeProto extends Message {
  name?: string;
  /** Inside a function: the attribute of the function that gives the value. */
  refAttrName?: string;
  docString?: string;
  /** Which of the following holds the value: an {@link AttributeType}. */
  type?: number;
  f?: number;
  i?: bigint;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  sparseTensor?: SparseTensorProto;
  tp?: TypeProto;
  floats?: Float32Array;
  ints?: BigInt64Array;
  strings?: Uint8Array[];
  tensors?: TensorProto[];
  graphs?: GraphProto[];
  sparseTensors?: SparseTensorProto[];
  typeProtos?: TypeProto[];
}

export interface ValueInfoProto extends Message {
  name?: string;
  type?: TypeProto;
  docString?: string;
  metadataProps?: StringStringEntryProto[];
}

/** `TensorProto.DataLocation` */
export const DataLocation = { DEFAULT: 0, EXTERNAL: 1 } as const;

/** Elements are read by `tensorElements`, whichever field holds them. */
export interface TensorProto extends Message {
  dims: number[];
  /** See `dataTypes`. */
  dataType?: number;
  segment?: Segment;
  name?: string;
  docString?: string;
  /** Little-endian, packed without gaps. */
  rawData?: ByteRange;
  /** The five packed fields keep their encoding: 4- and 8-byte values one after the other, integers as varints. */
  floatData?: ByteRange;
  int32Data?: ByteRange;
  int64Data?: ByteRange;
  doubleData?: ByteRange;
  uint64Data?: ByteRange;
  stringData?: Uint8Array[];
  /** Keys `location`, `offset`, `length`, `checksum`. */
  externalData?: StringStringEntryProto[];
  dataLocation?: number;
  metadataProps?: StringStringEntryProto[];
}

export interface Segment extends Message {
  begin?: number;
  end?: number;
}

export interface SparseTensorProto extends Message {
  values?: TensorProto;
  indices?: TensorProto;
  dims: number[];
}

export interface TensorShapeProto extends Message {
  dim: DimensionProto[];
}

/** `TensorShapeProto.Dimension`: a size, a name, or neither (any size). */
export interface DimensionProto extends Message {
  dimValue?: number;
  dimParam?: string;
  denotation?: string;
}

/** One of the six is present. */
export interface TypeProto extends Message {
  tensorType?: TensorTypeProto;
  sequenceType?: ElementTypeProto;
  mapType?: MapTypeProto;
  optionalType?: ElementTypeProto;
  sparseTensorType?: TensorTypeProto;
  opaqueType?: OpaqueTypeProto;
  denotation?: string;
}

export interface TensorTypeProto extends Message {
  elemType?: number;
  /** Absent: of any rank. */
  shape?: TensorShapeProto;
}

export interface ElementTypeProto extends Message {
  elemType?: TypeProto;
}

export interface MapTypeProto extends Message {
  keyType?: number;
  valueType?: TypeProto;
}

export interface OpaqueTypeProto extends Message {
  domain?: string;
  name?: string;
}

export interface TensorAnnotation extends Message {
  tensorName?: string;
  quantParameterTensorNames: StringStringEntryProto[];
}

export interface FunctionProto extends Message {
  name?: string;
  input: string[];
  output: string[];
  attribute: string[];
  attributeProto: AttributeProto[];
  node: NodeProto[];
  docString?: string;
  opsetImport: OperatorSetIdProto[];
  domain?: string;
  overload?: string;
  valueInfo?: ValueInfoProto[];
  metadataProps?: StringStringEntryProto[];
}

export interface TrainingInfoProto extends Message {
  initialization?: GraphProto;
  algorithm?: GraphProto;
  initializationBinding: StringStringEntryProto[];
  updateBinding: StringStringEntryProto[];
}

export interface DeviceConfigurationProto extends Message {
  name?: string;
  numDevices?: number;
  device: string[];
}

export interface NodeDeviceConfigurationProto extends Message {
  configurationId?: string;
  shardingSpec: ShardingSpecProto[];
  pipelineStage?: number;
}

export interface ShardingSpecProto extends Message {
  tensorName?: string;
  device: number[];
  indexToDeviceGroupMap: IntIntListEntryProto[];
  shardedDim: ShardedDimProto[];
}

export interface IntIntListEntryProto extends Message {
  key?: number;
  value: number[];
}

export interface ShardedDimProto extends Message {
  axis?: number;
  simpleSharding: SimpleShardedDimProto[];
}

export interface SimpleShardedDimProto extends Message {
  dimValue?: number;
  dimParam?: string;
  numShards?: number;
}
