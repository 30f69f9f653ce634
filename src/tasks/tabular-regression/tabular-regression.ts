/** Rows of a table → a number for each. */
import { z } from 'zod';
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { Model, Signature, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { datatypes } from '../../tensor.ts';
import { numbers, shortest } from '../classification/scores.ts';
import { planTable, tableProblem } from '../table/columns.ts';
import { elementsPerRow, inferRows } from '../table/infer-rows.ts';
import { tableOptionsShape } from '../table/table-options.ts';
import { answerSchema, exampleRow, tableSchema } from '../table/table-schema.ts';
import { readRows } from '../table/table-value.ts';

const options = z.strictObject({
  ...tableOptionsShape,
  output: z.string().min(1).optional().describe('The output that holds the number. Default: the only one.'),
  target: z.strictObject({
    title: z.string().optional().describe('What the number is called.'),
    description: z.string().optional(),
    unit: z.string().optional().describe('E.g. km/l.'),
  }).optional().describe('What the number is.'),
});
type Options = z.infer<typeof options>;

export const tabularRegression: Task<Options> = { name: 'tabular-regression', options, detect, lift };

function holdsOneNumber({ datatype, shape, batchAxis }: TensorSpec): boolean {
  const { kind } = datatypes[datatype];
  if (kind !== 'float' && kind !== 'integer') return false;
  return shape.length === 0 || (shape.length === 1 && (batchAxis === 0 || shape[0] === 1)) || (shape.length === 2 && shape[1] === 1);
}

function detect({ signature }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const output = signature.outputs[0];
  if (tableProblem(signature) !== undefined || output === undefined || signature.outputs.length !== 1 || !holdsOneNumber(output)) return undefined;
  // `variable` is what scikit-learn's converters call the output of every regressor.
  if (!/^(variable|target|regression|predicted_value|predictions?)$/i.test(output.name)) return undefined;
  try {
    planTable(signature, undefined, tabularRegression.name);
  } catch {
    return undefined;
  }
  return { options: {}, reason: `its input is rows of a table and output '${output.name}' is one number a row` };
}

function findOutput(signature: Signature, name: string | undefined): TensorSpec {
  const candidates = signature.outputs.filter(holdsOneNumber);
  const found = name === undefined ? (candidates.length === 1 ? candidates[0] : undefined) : candidates.find((output) => output.name === name);
  if (found !== undefined) return found;
  const names = candidates.map((output) => output.name);
  if (name !== undefined) throw new ModelportError('INVALID_CONFIG', `task.output is '${name}', but no output of that name is one number a row${suggestName(name, names)}`, { at: 'task.output' });
  throw new ModelportError('INVALID_CONFIG', `${candidates.length === 0 ? 'no output is' : 'several outputs are'} one number a row${suggestName('', names)}: say task.output`, { at: 'task.output' });
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'tabular-regression needs a model that takes tensors', { at: 'task' });
  const table = planTable(signature, given.features, tabularRegression.name);
  const output = findOutput(signature, given.output);

  async function regress(value: unknown, call: Call): Promise<unknown> {
    const { rows, single } = readRows(value, table);
    const answers: { readonly value: number }[] = [];
    for (const { count, response } of await inferRows(model, table, rows, [output.name], call)) {
      const tensor = response.outputs.get(output.name)!;
      if (elementsPerRow(output.name, tensor, count) !== 1) throw new ModelportError('RUN_FAILED', `output '${output.name}' has more than one number a row`);
      for (const number of numbers(tensor, 0, count)) {
        if (!Number.isFinite(number)) throw new ModelportError('INVALID_VALUE', `the model answers ${number}: the row lies outside of what it can compute`);
        answers.push({ value: tensor.datatype === 'FP64' ? number : shortest(number) });
      }
    }
    return single ? answers[0] : answers;
  }

  const { title, description, unit } = given.target ?? {};
  const middle = exampleRow(table);
  const examples = readExamples(facts.examples, facts.directory ?? facts.artifact.directory);
  return {
    signature: {
      ...signature,
      predict: {
        task: tabularRegression.name,
        input: tableSchema(table),
        output: answerSchema({
          type: 'object',
          properties: {
            value: {
              type: 'number',
              ...(title === undefined ? {} : { title }),
              ...(description === undefined ? {} : { description }),
              ...(unit === undefined ? {} : { 'x-modelport': { unit } }),
            },
          },
          required: ['value'],
          additionalProperties: false,
        }),
        examples: examples.length > 0 || middle === undefined ? examples : [middle],
      },
    },
    infer: (request, call) => model.infer!(request, call),
    ...(model.stream === undefined ? {} : { stream: (request, call) => model.stream!(request, call) }),
    predict: regress,
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
