/** gRPC server reflection, v1 and v1alpha: lets grpcurl and its kind call the service without a .proto file. */
import { createRequire } from 'node:module';
import type protobuf from 'protobufjs';
import type { GrpcMethod } from '../../../protocol.ts';
import { definitions } from './messages.ts';

const text = (id: number) => ({ type: 'string', id });
/** https://github.com/grpc/grpc/blob/master/doc/server-reflection.md; the same in both versions. */
const messages = {
  Request: { oneofs: { asked: { oneof: ['fileByFilename', 'fileContainingSymbol', 'fileContainingExtension', 'allExtensionNumbersOfType', 'listServices'] } }, fields: { host: text(1), fileByFilename: text(3), fileContainingSymbol: text(4), fileContainingExtension: { type: 'Extension', id: 5 }, allExtensionNumbersOfType: text(6), listServices: text(7) } },
  Extension: { fields: { containingType: text(1), extensionNumber: { type: 'int32', id: 2 } } },
  Response: { fields: { validHost: text(1), originalRequest: { type: 'Request', id: 2 }, fileDescriptorResponse: { type: 'Files', id: 4 }, listServicesResponse: { type: 'Services', id: 6 }, errorResponse: { type: 'Failure', id: 7 } } },
  Files: { fields: { fileDescriptorProto: { rule: 'repeated', type: 'bytes', id: 1 } } },
  Services: { fields: { service: { rule: 'repeated', type: 'Service', id: 1 } } },
  Service: { fields: { name: text(1) } },
  Failure: { fields: { errorCode: { type: 'int32', id: 1 }, errorMessage: text(2) } },
};

const notFound = 5;
const unimplemented = 12;

export function reflectionMethods(services: () => readonly string[]): GrpcMethod[] {
  const require = createRequire(import.meta.url);
  let root: protobuf.Root | undefined;
  const type = (name: string): protobuf.Type => (root ??= (require('protobufjs') as typeof protobuf).Root.fromJSON({ nested: messages })).lookupType(name);
  let files: readonly DescribedFile[] | undefined;

  const answer = (request: Record<string, string>): object => {
    const asked = request['asked'];
    if (asked === 'listServices') return { listServicesResponse: { service: services().map((name) => ({ name })) } };
    if (asked !== 'fileContainingSymbol' && asked !== 'fileByFilename') return failure(unimplemented, 'there are no extensions');
    files ??= describeFiles(require);
    const wanted = request[asked]!;
    const file = files.find(({ name, symbols }) => (asked === 'fileByFilename' ? name === wanted : symbols.some((symbol) => wanted === symbol || wanted.startsWith(`${symbol}.`))));
    return file === undefined ? failure(notFound, `'${wanted.slice(0, 200)}' is not defined here`) : { fileDescriptorResponse: { fileDescriptorProto: [file.bytes] } };
  };

  return ['v1', 'v1alpha'].map((version) => ({
    path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    door: 'public',
    requestStream: true,
    responseStream: true,
    deserialize: (bytes) => type('Request').toObject(type('Request').decode(bytes), { oneofs: true }),
    serialize: (message) => type('Response').encode(type('Response').fromObject(message as object)).finish(),
    async *streaming(requests) {
      for await (const request of requests) yield { originalRequest: request, ...answer(request as Record<string, string>) };
    },
  }));
}

function failure(errorCode: number, errorMessage: string): object {
  return { errorResponse: { errorCode, errorMessage } };
}

interface DescribedFile {
  readonly name: string;
  /** Full names of the services and top messages that it defines. */
  readonly symbols: readonly string[];
  readonly bytes: Uint8Array;
}

interface FileDescriptor {
  readonly name: string;
  readonly package: string;
  readonly messageType: readonly { readonly name: string }[];
  readonly enumType: readonly { readonly name: string }[];
  readonly service: readonly { readonly name: string }[];
}

function describeFiles(require: NodeJS.Require): DescribedFile[] {
  const descriptor = require('protobufjs/ext/descriptor') as { FileDescriptorProto: protobuf.Type };
  const set = (definitions() as unknown as { toDescriptor(edition: string): { file: FileDescriptor[] } }).toDescriptor('proto3');
  return set.file.map((file) => ({
    name: file.name,
    symbols: [...file.service, ...file.messageType, ...file.enumType].map(({ name }) => `${file.package}.${name}`),
    bytes: descriptor.FileDescriptorProto.encode(file as never).finish(),
  }));
}
