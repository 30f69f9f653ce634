/** Tensors as text, with the shape checked while one types. */
import { useId, useState } from 'react';
import type { PageTensor } from '../api-types.ts';
import type { FormProps } from '../endpoints/endpoint.ts';
import type { TensorInputs } from '../endpoints/infer.tsx';
import { concreteShape, describeShape, filledInput, isFree, mostShownElements, parseTensorText, type Fill, type TensorInput } from '../tensor-text.ts';
import { FieldProblemText } from './problem-text.tsx';

export function TensorForm({ specs, value, problems, onChange }: Omit<FormProps, 'value'> & { readonly specs: readonly PageTensor[]; readonly value: TensorInputs }) {
  return (
    <div className="form">
      {specs.map((spec) => (
        <TensorField
          key={spec.name}
          spec={spec}
          input={value[spec.name] ?? { kind: 'text', text: '' }}
          problem={problems.find((problem) => problem.field === spec.name)?.message}
          onChange={(input) => onChange({ ...value, [spec.name]: input })}
        />
      ))}
    </div>
  );
}

interface TensorFieldProps {
  readonly spec: PageTensor;
  readonly input: TensorInput;
  readonly problem: string | undefined;
  readonly onChange: (input: TensorInput) => void;
}

const fills: readonly { readonly fill: Fill; readonly title: string }[] = [
  { fill: 'zeros', title: 'Zeros' },
  { fill: 'ones', title: 'Ones' },
  { fill: 'random', title: 'Random' },
];

function TensorField({ spec, input, problem, onChange }: TensorFieldProps) {
  const id = useId();
  const [sizes, setSizes] = useState<readonly (number | undefined)[]>([]);
  const free = spec.shape.flatMap((size, axis) => (isFree(size) ? [axis] : []));
  const shape = (): number[] => concreteShape(spec, sizes);
  // Trying happens on every key: what is typed is marked at once, even before Run was pressed.
  const typed = input.kind === 'text' && input.text.trim() !== '' ? read(input.text, spec) : undefined;
  const shown = problem ?? (typed?.problem);
  return (
    <div className="field" data-field={spec.name}>
      <div className="field-head">
        <label htmlFor={id}>{spec.name}</label>
        <span className="caption mono">{describeShape(spec)}{spec.optional === true ? ' · optional' : ''}</span>
      </div>
      {spec.description !== undefined && <p className="field-about">{spec.description}</p>}
      {input.kind === 'text'
        ? (
          <textarea
            id={id}
            className="entry code"
            rows={Math.min(3, 1 + spec.shape.length)}
            spellCheck={false}
            value={input.text}
            placeholder={placeholderOf(spec)}
            aria-invalid={shown !== undefined}
            aria-describedby={`${id}-shape`}
            onChange={(event) => onChange({ kind: 'text', text: event.target.value })}
          />
        )
        : (
          <div className="made" id={id}>
            <span className="number">{input.shape.reduce((product, size) => product * size, 1).toLocaleString('en')} {input.fill === 'random' ? 'random elements' : input.fill}, shape <span className="mono">[{input.shape.join(', ')}]</span></span>
          </div>
        )}
      <div className="tensor-tools">
        {fills.map(({ fill, title }) => <button key={fill} type="button" className="button plain small" onClick={() => onChange(filledInput(spec, fill, shape()))}>{title}</button>)}
        {input.kind === 'filled' && <button type="button" className="button plain small" onClick={() => onChange({ kind: 'text', text: '' })}>Paste instead</button>}
        {free.length > 0 && (
          <span className="sizes">
            {free.map((axis) => (
              <label key={axis} className="size">
                {typeof spec.shape[axis] === 'string' ? spec.shape[axis] : `axis ${axis}`}
                <input
                  className="entry"
                  inputMode="numeric"
                  value={sizes[axis] ?? 1}
                  onChange={(event) => {
                    const next = [...sizes];
                    const size = Number(event.target.value.replace(/\D/g, ''));
                    next[axis] = Math.min(size, 100_000);
                    setSizes(next);
                  }}
                  onKeyDown={(event) => {
                    if (event.key !== 'Enter') return;
                    event.preventDefault();
                    onChange(filledInput(spec, input.kind === 'filled' ? input.fill : 'zeros', shape()));
                  }}
                />
              </label>
            ))}
          </span>
        )}
      </div>
      <p className="caption" id={`${id}-shape`}>
        {shown === undefined && typed?.shape !== undefined ? `Shape [${typed.shape.join(', ')}]${typed.count > mostShownElements ? ` · ${typed.count.toLocaleString('en')} elements` : ''}` : ''}
      </p>
      <FieldProblemText id={`${id}-problem`} problem={shown === undefined ? undefined : `${spec.name} ${shown}`} />
    </div>
  );
}

function placeholderOf({ datatype, shape }: PageTensor): string {
  if (shape.length === 0) return datatype === 'BYTES' ? '"text"' : 'A number';
  return datatype === 'BYTES' ? '["text", …] or one text a line' : `${'['.repeat(shape.length)}1, 2, …${']'.repeat(shape.length)} or rows from a spreadsheet`;
}

function read(text: string, spec: PageTensor): { shape?: readonly number[]; count: number; problem?: string } {
  try {
    const { shape, tokens } = parseTensorText(text, spec);
    return { shape, count: tokens.length };
  } catch (error) {
    return { count: 0, problem: error instanceof Error ? error.message : String(error) };
  }
}
