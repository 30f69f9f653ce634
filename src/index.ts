/** The public surface of the package: the vocabulary, for those who write runtimes, tasks and protocols, and the client. */
export { Call, type CallOptions, type CallTiming, type SequencePosition, type TraceContext } from './call.ts';
export { createClient, type Client, type ClientOptions, type InputOf, type Models, type ModelTypes, type OutputOf, type RequestOptions } from './client.ts';
export { errorTable, isModelportError, ModelportError, type ErrorCode } from './errors.ts';
export type { Artifact, ArtifactFile } from './artifact.ts';
export type { Importer } from './importer.ts';
export { modelConfigSchema, type ModelConfig } from './model-config.ts';
export type { BatchFacts, Dimension, GenerateRequest, InferRequest, InferResponse, JsonSchema, Model, Parameters, ParameterValue, PredictSignature, Signature, StateSpec, TensorSpec, TokenEvent } from './model.ts';
export type { GrpcCall, GrpcMethod, HttpRequest, HttpResponse, Protocol, ProtocolContext, Route } from './protocol.ts';
export type { IndexEntry, LoadRequest, ModelRepository, ServedModel, StatisticsSnapshot } from './repository.ts';
export type { InstanceKind, LoadOptions, Runtime } from './runtime.ts';
export type { Task, TaskFacts } from './task.ts';
export { createTensor, datatypes, textOf, textTensor, type DataOf, type Datatype, type Tensor, type Tensors } from './tensor.ts';
export { version } from './version.ts';
