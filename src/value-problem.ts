/** What is wrong with a value, in the form in which FastAPI says it (a list of problems below `detail`), so that clients written for it understand. */
import { ModelportError } from './errors.ts';

export interface ValueProblem {
  /** Pydantic's name: `missing`, `int_parsing`, `greater_than` … https://docs.pydantic.dev/latest/errors/validation_errors/ */
  readonly type: string;
  /** From the root of the value; a wire puts the part of the request in front (`body`, `query`). */
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  /** What was found there. */
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

/** `INVALID_VALUE` with every problem; its message tells the first ones. */
export class InvalidValueError extends ModelportError {
  readonly problems: readonly ValueProblem[];

  constructor(problems: readonly ValueProblem[]) {
    const [first] = problems;
    const shown = problems.slice(0, 3).map(({ loc, msg }) => (loc.length === 0 ? msg : `${locationText(loc)}: ${msg}`));
    super('INVALID_VALUE', `${shown.join('; ')}${problems.length > 3 ? `; and ${problems.length - 3} more` : ''}`, first === undefined || first.loc.length === 0 ? {} : { at: locationText(first.loc) });
    this.problems = problems;
  }
}

/** The problems that an error tells; none where it tells none. */
export function problemsOf(error: unknown): readonly ValueProblem[] | undefined {
  return typeof error === 'object' && error !== null && 'problems' in error && Array.isArray(error.problems) ? (error.problems as ValueProblem[]) : undefined;
}

/** `rows[0].width` */
function locationText(loc: readonly (string | number)[]): string {
  return loc.reduce<string>((text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`), '');
}
