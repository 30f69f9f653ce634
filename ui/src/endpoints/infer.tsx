/** The Open Inference door of a model of which only tensors are known. */
import type { PageTensor, ServedVersion } from '../api-types.ts';
import { TensorForm } from '../inputs/tensor-form.tsx';
import type { JsonValue } from '../json.ts';
import { isObject } from '../schema.ts';
import { TensorOutputs, tensorsOf } from '../outputs/tensor-outputs.tsx';
import { summarizeTensor } from '../outputs/tensor-view.tsx';
import { filledInput, inferBody, readTensorInput, type TensorInput } from '../tensor-text.ts';
import type { Endpoint } from './endpoint.ts';

/** By input; an optional input that is absent is not sent. */
export type TensorInputs = Readonly<Record<string, TensorInput>>;

export function inferEndpoint(model: string, version: string, newest: boolean, { signature }: ServedVersion): Endpoint {
  const specs = signature.inputs;
  const filled = (): TensorInputs => Object.fromEntries(specs.filter((spec) => spec.optional !== true).map((spec) => [spec.name, filledInput(spec, 'zeros')]));
  return {
    model,
    version,
    path: `v2/models/${encodeURIComponent(model)}${newest ? '' : `/versions/${encodeURIComponent(version)}`}/infer`,
    task: undefined,
    door: 'infer',
    examples: [],
    initial: filled,
    empty: filled,
    restore: (value) => (isObject(value) && Object.values(value).every(isTensorInput) ? value : undefined),
    problems: (value) => specs.flatMap((spec) => {
      const message = problemOf(spec, (value as TensorInputs)[spec.name]);
      return message === undefined ? [] : [{ field: spec.name, message }];
    }),
    body: (value) => inferBody(specs.flatMap((spec) => {
      const input = (value as TensorInputs)[spec.name];
      return input === undefined || isLeftOut(spec, input) ? [] : [{ name: spec.name, datatype: spec.datatype, tensor: readTensorInput(input, spec) }];
    })),
    summarize: (value) => ({ text: summarizeInputs(specs, value as TensorInputs) }),
    summarizeAnswer: (answer: JsonValue) => tensorsOf(answer).map((tensor) => summarizeTensor(tensor, signature.outputs.find((spec) => spec.name === tensor.name)?.labels)).join(' · '),
    fieldAt: (at, message) => specs.find((spec) => at?.includes(spec.name) === true || message.includes(`'${spec.name}'`) || message.includes(`"${spec.name}"`))?.name
      ?? specs[Number(/^inputs\[(\d+)\]/.exec(at ?? '')?.[1] ?? -1)]?.name,
    Form: (props) => <TensorForm specs={specs} {...props} value={props.value as TensorInputs} />,
    Output: ({ answer }) => <TensorOutputs answer={answer} specs={signature.outputs} />,
  };
}

function isTensorInput(value: unknown): value is TensorInput {
  if (!isObject(value)) return false;
  return value['kind'] === 'text'
    ? typeof value['text'] === 'string'
    : value['kind'] === 'filled' && ['zeros', 'ones', 'random'].includes(String(value['fill'])) && Array.isArray(value['shape']) && value['shape'].every((size) => typeof size === 'number');
}

function isLeftOut(spec: PageTensor, input: TensorInput): boolean {
  return spec.optional === true && input.kind === 'text' && input.text.trim() === '';
}

function problemOf(spec: PageTensor, input: TensorInput | undefined): string | undefined {
  if (input === undefined) return spec.optional === true ? undefined : 'is missing';
  if (isLeftOut(spec, input)) return undefined;
  try {
    readTensorInput(input, spec);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function summarizeInputs(specs: readonly PageTensor[], inputs: TensorInputs): string {
  return specs.flatMap((spec) => {
    const input = inputs[spec.name];
    if (input === undefined) return [];
    return [input.kind === 'filled' ? `${spec.name} ${input.fill} [${input.shape.join(', ')}]` : `${spec.name} ${input.text.replace(/\s+/g, ' ').slice(0, 40)}`];
  }).join(' · ');
}
