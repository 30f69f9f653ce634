/** Errors of endpoints in FastAPI's form: `{"detail": text}`, and for wrong values 422 with a list of problems. */
import { isModelportError } from '../../errors.ts';
import type { HttpResponse } from '../../protocol.ts';
import { InvalidValueError, problemsOf, type ValueProblem } from '../../value-problem.ts';
import type { EndpointPlan, Place } from './endpoint-plan.ts';
import { isRecord, type EndpointRequest } from './read-endpoint-request.ts';

const order: readonly string[] = ['path', 'query', 'header', 'cookie', 'body'] satisfies Place[];

/** The problems of a value as problems of the request that held it. */
export function locateProblems(error: unknown, plan: EndpointPlan, request: EndpointRequest): unknown {
  const problems = problemsOf(error);
  if (problems === undefined) return error;
  const located = problems.map((problem): ValueProblem => {
    const [first, ...rest] = problem.loc;
    const input = plan.inputs.find(({ name }) => name === first);
    if (input === undefined || input.place === 'body') {
      const ofWhole = problem.type === 'missing' && problem.loc.length === 1;
      return { ...problem, loc: ['body', ...problem.loc], ...(ofWhole ? { input: isRecord(request.body) ? request.body : null } : {}) };
    }
    return { ...problem, loc: [input.place, input.key, ...rest], ...(problem.type === 'missing' && rest.length === 0 ? { input: null } : {}) };
  });
  return new InvalidValueError(located.sort((left, right) => order.indexOf(String(left.loc[0])) - order.indexOf(String(right.loc[0]))));
}

/** Bytes are shown as text, as FastAPI shows an upload's name; what is no number in JSON as null. */
function shown(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, Math.min(value.byteLength, 100)).toString('base64');
  if (typeof value === 'bigint') return String(value);
  return value;
}

export function endpointErrorResponse(error: unknown): HttpResponse {
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (!isModelportError(error)) return { status: 500, headers, body: JSON.stringify({ detail: 'internal error' }) };
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterSeconds)));
  const problems = problemsOf(error);
  return { status: error.httpStatus, headers, body: JSON.stringify({ detail: problems ?? error.message }, shown) };
}
