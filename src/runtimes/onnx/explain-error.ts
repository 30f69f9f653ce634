/** ONNX Runtime throws plain errors whose only content is text. This turns the text into what a user needs. */
import { ModelportError } from '../../errors.ts';
import type { ModelProto, NodeProto } from '../../onnx/model-proto.ts';
import { nodesOf } from '../../onnx/walk.ts';

/** Without the path that the caller knows, and without the place in ONNX Runtime's own sources. */
function clean(text: string): string {
  return text
    .replace(/^Load model from .*? failed:\s*/s, '')
    .replace(/\/\S*onnxruntime\S*:\d+ .*?\)(?: const)?(?: \[with [^\]]*\])? /gs, '')
    .replace(/^(?:Fatal error|This is an invalid model\.|Exception during initialization):?\s*/, '')
    .replace(/\s+/g, ' ')
    .trim();
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `INVALID_MODEL`, naming the file and, where ONNX Runtime says it, operator and node. */
export function explainLoadError(error: unknown, path: string, model: ModelProto): ModelportError {
  const text = textOf(error);
  const invalid = (what: string, at?: string) => new ModelportError('INVALID_MODEL', `${path}: ${what}`, { at: at ?? path, cause: error });
  const unsupported = (what: string, nodes: readonly NodeProto[]) => {
    const where = nodes.length === 0 ? '' : `, used by ${named(nodes[0]!)}${nodes.length === 1 ? '' : ` and ${nodes.length - 1} more`}`;
    return invalid(`${what}${where}`, nodes.length === 0 ? undefined : named(nodes[0]!));
  };
  let match: RegExpExecArray | null;
  if ((match = /Opset (\d+) is under development.*domain (\S+) is till opset (\d+)/s.exec(text)) !== null) {
    return invalid(`its operator set (${match[2]} ${match[1]}) is newer than the newest that ONNX Runtime knows (${match[3]}); export it for opset ${match[3]} or older`);
  }
  if ((match = /IR version: (\d+), max supported IR version: (\d+)/.exec(text)) !== null) {
    return invalid(`its format (IR version ${match[1]}) is newer than the newest that ONNX Runtime reads (${match[2]})`);
  }
  if ((match = /No Op registered for (\S+) with domain_version of (\d+)/.exec(text)) !== null) {
    const [, operator, version] = match;
    return unsupported(`the operator "${operator}" does not exist in operator set ${version}`, findNodes(model, operator!));
  }
  if ((match = /(?:^|[\s:])([\w.]*):(\w+)\(-?\d+\) is not a registered function\/op/.exec(text)) !== null) {
    const [, domain, operator] = match;
    return unsupported(
      `the operator "${operator}" of the domain "${domain}" is not part of ONNX; custom operators are not supported`,
      findNodes(model, operator!, domain),
    );
  }
  if ((match = /Could not find an implementation for (\w+)\((\d+)\) node with name '([^']*)'/.exec(text)) !== null) {
    return invalid(`ONNX Runtime has no CPU implementation of the operator "${match[1]}" (version ${match[2]}) for the element types of the node "${match[3]}"`, `node "${match[3]}"`);
  }
  return invalid(`ONNX Runtime cannot load it: ${clean(text)}`);
}

function findNodes(model: ModelProto, operator: string, domain?: string): NodeProto[] {
  return [...nodesOf(model)].filter((node) => node.opType === operator && (domain === undefined || (node.domain ?? '') === domain));
}

function named(node: NodeProto): string {
  return node.name === undefined || node.name === '' ? `the node that makes "${node.output[0] ?? ''}"` : `the node "${node.name}"`;
}

const requestErrors =
  /^(Got invalid dimensions for input|Invalid rank for input|Unexpected input data type|Tensor\.|not enough space|Missing Input|Required inputs|Invalid (input|feed) name|Invalid argument)/i;

/** `INVALID_REQUEST` where the tensors do not fit the model, else `RUN_FAILED` with the node that failed. */
export function explainRunError(error: unknown, name: string): ModelportError {
  const text = textOf(error);
  let match: RegExpExecArray | null;
  if ((match = /^Got invalid dimensions for input: (.*?) for the following indices\s+index: (\d+) Got: (\d+) Expected: (\d+)/s.exec(text)) !== null) {
    const [, input, axis, got, expected] = match;
    return new ModelportError('INVALID_REQUEST', `the input '${input}' of the model ${name} has size ${got} on axis ${axis}, expected ${expected}`, {
      at: `inputs.${input}.shape`,
      cause: error,
    });
  }
  if ((match = /^Invalid rank for input: (.*?) Got: (\d+) Expected: (\d+)/s.exec(text)) !== null) {
    const [, input, got, expected] = match;
    return new ModelportError('INVALID_REQUEST', `the input '${input}' of the model ${name} has ${got} dimensions, expected ${expected}`, {
      at: `inputs.${input}.shape`,
      cause: error,
    });
  }
  if (requestErrors.test(text)) return new ModelportError('INVALID_REQUEST', `the model ${name} does not take these inputs: ${clean(text)}`, { cause: error });
  match = /while running (\S+) node\. Name:'([^']*)' Status Message: (.*)/s.exec(text);
  if (match === null) return new ModelportError('RUN_FAILED', `the model ${name} failed: ${clean(text)}`, { cause: error });
  const [, operator, node, message] = match;
  return new ModelportError('RUN_FAILED', `the model ${name} failed in ${node === '' ? 'a node' : `the node "${node}"`} (${operator}): ${clean(message!)}`, {
    at: `node "${node}"`,
    cause: error,
  });
}
