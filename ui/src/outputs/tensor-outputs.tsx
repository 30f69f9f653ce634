import type { PageTensor } from '../api-types.ts';
import type { JsonValue } from '../json.ts';
import { isObject } from '../schema.ts';
import { JsonTree } from './json-tree.tsx';
import { TensorView, type AnsweredTensor } from './tensor-view.tsx';

/** The tensors of an Open Inference answer; data may be flat or nested. */
export function tensorsOf(answer: JsonValue): AnsweredTensor[] {
  const outputs = isObject(answer) ? answer['outputs'] : undefined;
  if (!Array.isArray(outputs)) return [];
  return outputs.filter(isObject).map((output) => ({
    name: String(output['name']),
    datatype: String(output['datatype']),
    shape: Array.isArray(output['shape']) ? output['shape'].map(Number) : [],
    data: Array.isArray(output['data']) ? (output['data'].flat(Infinity) as AnsweredTensor['data']) : [],
  }));
}

export function TensorOutputs({ answer, specs }: { readonly answer: JsonValue; readonly specs: readonly PageTensor[] }) {
  const tensors = tensorsOf(answer);
  if (tensors.length === 0) return <JsonTree value={answer} />;
  return (
    <>
      {tensors.map((tensor) => {
        const spec = specs.find((candidate) => candidate.name === tensor.name);
        return (
          <section className="output-part" key={tensor.name} aria-label={tensor.name}>
            <h3 className="output-name">
              {tensor.name}
              <span className="caption mono">{tensor.datatype} [{tensor.shape.join(', ')}]</span>
            </h3>
            <TensorView tensor={tensor} spec={spec} />
          </section>
        );
      })}
    </>
  );
}
