/** All other messages of the service, by reflection over proto/triton. They are rare, so the .proto files are parsed on first use. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type protobuf from 'protobufjs';

export interface MessageCodec {
  /** Field names as in the .proto; 64-bit integers are numbers; absent fields have their defaults. */
  read(bytes: Uint8Array): Record<string, unknown>;
  /** Takes what {@link read} gives. */
  write(message: unknown): Uint8Array;
}

const folder = fileURLToPath(new URL('../../../../proto/triton/', import.meta.url));
let root: protobuf.Root | undefined;

/** The definitions, for messages and for reflection. */
export function definitions(): protobuf.Root {
  if (root === undefined) {
    // Reading a message is synchronous, and so must be this.
    const library = createRequire(import.meta.url)('protobufjs') as typeof protobuf;
    const loaded = new library.Root();
    loaded.resolvePath = (_origin, target) => (target.startsWith(folder) ? target : folder + target);
    loaded.loadSync(['grpc_service.proto', 'health.proto'], { keepCase: true });
    root = loaded;
  }
  return root;
}

/** The codec of a message type by its full name, `inference.ModelMetadataRequest`. */
export function messageCodec(name: string): MessageCodec {
  let type: protobuf.Type | undefined;
  const resolve = (): protobuf.Type => (type ??= definitions().lookupType(name));
  return {
    read: (bytes) => resolve().toObject(resolve().decode(bytes), { longs: Number, enums: String, defaults: true, arrays: true, objects: true, oneofs: true }),
    write: (message) => resolve().encode(resolve().fromObject(message as Record<string, unknown>)).finish(),
  };
}
