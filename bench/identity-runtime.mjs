// A runtime that answers with a copy of its inputs: what remains is the cost of getting there.
const copy = (tensor) => ({ ...tensor, data: tensor.data.slice() });

export default {
  name: 'identity',
  moduleUrl: import.meta.url,
  instanceKinds: ['inline', 'thread', 'process'],
  accepts: () => true,
  load: async () => ({
    signature: { inputs: [], outputs: [], batch: { maxSize: 0, reason: 'it has no tensors of its own' } },
    infer: async (request) => ({ outputs: new Map(Array.from(request.inputs, ([name, tensor]) => [name, copy(tensor)])) }),
    async [Symbol.asyncDispose]() {},
  }),
};
