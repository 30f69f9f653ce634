import { Icon } from '../icons.tsx';

export function FieldProblemText({ id, problem }: { readonly id: string; readonly problem: string | undefined }) {
  if (problem === undefined) return null;
  return (
    <p className="field-problem" id={id}>
      <Icon name="warning" size={12} />
      <span>{problem}</span>
    </p>
  );
}
