import type { PageTensor, ServedVersion } from './api-types.ts';
import { Icon } from './icons.tsx';
import { describeShape } from './tensor-text.ts';

/** What an engineer wants to know before calling the model from code. */
export function ModelDetails({ served }: { readonly served: ServedVersion }) {
  const { signature, batching, instances, platform, predict } = served;
  return (
    <details className="more details">
      <summary><Icon name="chevron" size={12} /> {predict?.task === 'service' ? 'Details' : 'Model details'}</summary>
      <dl>
        {predict?.http !== undefined && (
          <>
            <dt>Address</dt>
            <dd className="mono-line">{predict.http.method} {predict.http.path}</dd>
          </>
        )}
        {signature.inputs.length + signature.outputs.length > 0 && (
          <>
            <dt>Inputs</dt>
            <dd><Tensors tensors={signature.inputs} /></dd>
            <dt>Outputs</dt>
            <dd><Tensors tensors={signature.outputs} /></dd>
          </>
        )}
        <dt>Batching</dt>
        <dd>{batching.reason.charAt(0).toUpperCase()}{batching.reason.slice(1)}</dd>
        {instances !== undefined && (
          <>
            <dt>Instances</dt>
            <dd>{instances.count} · {instances.kind}</dd>
          </>
        )}
        <dt>Platform</dt>
        <dd>{platform}</dd>
      </dl>
    </details>
  );
}

function Tensors({ tensors }: { readonly tensors: readonly PageTensor[] }) {
  return (
    <ul>
      {tensors.map((tensor) => <li key={tensor.name}>{tensor.name}<span className="mono">{describeShape(tensor)}{tensor.optional === true ? ' optional' : ''}</span></li>)}
    </ul>
  );
}
