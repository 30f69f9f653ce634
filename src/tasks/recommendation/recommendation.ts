/** A user → the items that suit best, by a model that scores pairs of user and item, or all items of a user at once. */
import type { Call } from '../../call.ts';
import { ModelportError } from '../../errors.ts';
import { readExamples } from '../../example-files.ts';
import { suggestName } from '../../lib/suggest-name.ts';
import type { JsonSchema, Model, Signature, TensorSpec } from '../../model.ts';
import type { Task, TaskFacts } from '../../task.ts';
import { datatypes, type Tensor } from '../../tensor.ts';
import { largest, numbers, shortest } from '../classification/scores.ts';
import { readCount, readFields, shown } from '../request/read-fields.ts';
import { withPredict } from '../request/with-predict.ts';
import { codeOf, codeSchema, codesTensor, nameAt, type Catalogue } from './catalogue.ts';
import { options, type Options } from './options.ts';

export const recommendation: Task<Options> = { name: 'recommendation', options, detect, lift };

const mostCandidates = 100_000;
/** Rows of one run where the model does not say. */
const usualRows = 4096;

function detect({ signature }: TaskFacts): { readonly options: Options; readonly reason: string } | undefined {
  const isCode = (spec: TensorSpec): boolean => holdsCodes(spec);
  const user = signature.inputs.find((spec) => isCode(spec) && isUser(spec));
  const item = signature.inputs.find((spec) => isCode(spec) && isItem(spec));
  if (user === undefined || item === undefined || signature.inputs.length !== 2 || signature.outputs.length !== 1 || !holdsOneScore(signature.outputs[0]!)) return undefined;
  return { options: {}, reason: `inputs '${user.name}' and '${item.name}' are a user and an item, and output '${signature.outputs[0]!.name}' is one score a pair` };
}

function isUser({ name }: TensorSpec): boolean {
  return /^users?([_-]?(ids?|index|idx|indices))?$/i.test(name);
}

function isItem({ name }: TensorSpec): boolean {
  return /^(items?|movies?|products?|articles?|books?)([_-]?(ids?|index|idx|indices))?$/i.test(name);
}

/** One number or text a row. */
function holdsCodes({ datatype, shape, batchAxis }: TensorSpec): boolean {
  const { kind } = datatypes[datatype];
  return (kind === 'integer' || kind === 'bytes' || datatype === 'FP32') && batchAxis === 0 && (shape.length === 1 || (shape.length === 2 && shape[1] === 1));
}

function holdsOneScore({ datatype, shape }: TensorSpec): boolean {
  return datatypes[datatype].kind === 'float' && (shape.length === 1 || (shape.length === 2 && shape[1] === 1));
}

interface Plan {
  readonly users: Catalogue;
  readonly items: Catalogue;
  readonly output: TensorSpec;
}

function planRecommendation(signature: Signature, given: Options): Plan {
  const named = (role: 'inputs' | 'outputs', option: 'user' | 'item' | 'output'): TensorSpec | undefined => {
    const name = given[option];
    if (name === undefined) return undefined;
    const found = signature[role].find((spec) => spec.name === name);
    if (found === undefined) throw new ModelportError('INVALID_CONFIG', `task.${option} is '${name}', but the model has no such ${role.slice(0, -1)}${suggestName(name, signature[role].map((spec) => spec.name))}`, { at: `task.${option}` });
    return found;
  };
  const user = named('inputs', 'user') ?? signature.inputs.find(isUser) ?? signature.inputs[0];
  const item = named('inputs', 'item') ?? signature.inputs.find((spec) => spec !== user && isItem(spec)) ?? (signature.inputs.length === 2 ? signature.inputs.find((spec) => spec !== user) : undefined);
  for (const spec of [user, item]) {
    if (spec !== undefined && !holdsCodes(spec)) throw new ModelportError('INVALID_CONFIG', `input '${spec.name}' is ${spec.datatype} [${spec.shape.join(', ')}], but a user or item is one number or text a row`, { at: 'task' });
  }
  const unfed = signature.inputs.find((spec) => spec.optional !== true && spec !== user && spec !== item);
  if (user === undefined || unfed !== undefined) throw new ModelportError('INVALID_CONFIG', `recommendation feeds a user and an item${unfed === undefined ? '' : `: there is no telling what goes into input '${unfed.name}'`}`, { at: 'task' });
  const floats = signature.outputs.filter((spec) => datatypes[spec.datatype].kind === 'float');
  const output = named('outputs', 'output') ?? (floats.length === 1 ? floats[0] : undefined);
  if (output === undefined) throw new ModelportError('INVALID_CONFIG', 'which output holds the scores is not evident: say task.output', { at: 'task.output' });
  const columns = output.shape.at(-1);
  const items = catalogueOf('item', item, given.items ?? output.labels, given.firstItem ?? 0, item === undefined && typeof columns === 'number' && columns > 0 ? columns : undefined);
  const known = items.names?.length ?? items.count;
  if (item === undefined && typeof columns === 'number' && columns > 0 && known !== columns) throw new ModelportError('INVALID_CONFIG', `there are ${known} items, but output '${output.name}' has ${columns} columns`, { at: 'task.items' });
  return { users: catalogueOf('user', user, given.users, given.firstUser ?? 0, undefined), items, output };
}

function catalogueOf(kind: string, spec: TensorSpec | undefined, given: Options['items'] | readonly string[], first: number, columns: number | undefined): Catalogue {
  const names = Array.isArray(given) ? (given as readonly (string | number)[]) : undefined;
  const count = given !== undefined && 'count' in given ? given.count : columns;
  return { kind, spec, names, count: names?.length ?? count, first };
}

function lift(model: Model, given: Options, facts: TaskFacts): Model {
  const { signature } = model;
  if (model.infer === undefined) throw new ModelportError('INVALID_CONFIG', 'recommendation needs a model that takes tensors', { at: 'task' });
  const { users, items, output } = planRecommendation(signature, given);
  const itemCount = items.names?.length ?? items.count;
  if (items.spec?.datatype === 'BYTES' && items.names === undefined && items.count !== undefined) throw new ModelportError('INVALID_CONFIG', `input '${items.spec.name}' takes names of items: list them in task.items`, { at: 'task.items' });
  const rowsAtOnce = signature.batch.maxSize > 0 ? signature.batch.maxSize : usualRows;
  const defaultTopK = Math.min(given.topK ?? 10, itemCount ?? Infinity);

  async function recommend(value: unknown, call: Call): Promise<unknown> {
    const fields = readFields(value, ['user', 'items', 'exclude', 'topK']);
    if (fields['user'] === undefined) throw new ModelportError('INVALID_VALUE', 'user is missing: say for whom', { at: 'user' });
    const user = codeOf(fields['user'], users, 'user');
    const topK = readCount(fields, 'topK', defaultTopK, 1, Math.min(1000, itemCount ?? 1000));
    const excluded = new Set(readList(fields['exclude'], 'exclude').map((one, index) => codeOf(one, items, `exclude[${index}]`)));
    const asked = fields['items'] === undefined ? undefined : readList(fields['items'], 'items');
    if (asked === undefined && itemCount === undefined) throw new ModelportError('INVALID_VALUE', 'items is missing: say which ones to choose from', { at: 'items' });
    const candidates = (asked?.map((one, index) => ({ item: one as string | number, code: codeOf(one, items, `items[${index}]`) })) ?? Array.from({ length: itemCount! }, (_, place) => ({ item: nameAt(place, items), code: items.spec?.datatype === 'BYTES' ? String(nameAt(place, items)) : place + items.first }))).filter(({ code }) => !excluded.has(code));
    if (candidates.length > mostCandidates) throw new ModelportError('INVALID_VALUE', `there are ${candidates.length} items to choose from, but at most ${mostCandidates} are ranked: name fewer in items`, { at: 'items' });
    const scores = candidates.length === 0 ? new Float64Array(0) : items.spec === undefined ? await scoresOfAll(user, candidates, call) : await scoresOfPairs(user, candidates, items.spec, call);
    for (const score of scores) if (!Number.isFinite(score)) throw new ModelportError('RUN_FAILED', `the model answered a score that is ${score}: this user or an item lies outside of what it knows`);
    return { items: largest(scores, Math.min(topK, scores.length)).map((place) => ({ item: candidates[place]!.item, score: shortest(scores[place]!) })) };
  }

  async function scoresOfAll(user: number | string, candidates: readonly { readonly code: number | string }[], call: Call): Promise<Float64Array> {
    const { outputs } = await model.infer!({ inputs: new Map([[users.spec!.name, codesTensor([user], users.spec!)]]), outputs: [output.name] }, call);
    const tensor = outputs.get(output.name)!;
    const scores = numbers(tensor, 0, tensor.data.length);
    if (scores.length !== itemCount) throw new ModelportError('RUN_FAILED', `output '${output.name}' has ${scores.length} scores, but there are ${itemCount} items`);
    return Float64Array.from(candidates, ({ code }) => scores[Number(code) - items.first]!);
  }

  async function scoresOfPairs(user: number | string, candidates: readonly { readonly code: number | string }[], spec: TensorSpec, call: Call): Promise<Float64Array> {
    const scores = new Float64Array(candidates.length);
    for (let start = 0; start < candidates.length; start += rowsAtOnce) {
      call.throwIfCancelled();
      const part = candidates.slice(start, start + rowsAtOnce);
      const inputs = new Map<string, Tensor>([
        [users.spec!.name, codesTensor(part.map(() => user), users.spec!)],
        [spec.name, codesTensor(part.map(({ code }) => code), spec)],
      ]);
      const { outputs } = await model.infer!({ inputs, outputs: [output.name] }, call);
      const tensor = outputs.get(output.name)!;
      if (tensor.data.length !== part.length) throw new ModelportError('RUN_FAILED', `output '${output.name}' has ${tensor.data.length} scores for ${part.length} pairs`);
      scores.set(numbers(tensor, 0, part.length), start);
    }
    return scores;
  }

  const examples = readExamples(facts.examples, facts.directory ?? facts.artifact.directory);
  const first = users.names?.[0] ?? (users.count === undefined ? undefined : users.first);
  return withPredict(
    model,
    {
      task: recommendation.name,
      input: inputSchema(users, items, itemCount, defaultTopK),
      output: outputSchema(items),
      examples: examples.length > 0 || first === undefined || itemCount === undefined ? examples : [{ user: first }],
    },
    recommend,
  );
}

function readList(value: unknown, at: string): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > mostCandidates) throw new ModelportError('INVALID_VALUE', `${at} is ${shown(value)}: write a list of at most ${mostCandidates} items`, { at });
  return value;
}

function inputSchema(users: Catalogue, items: Catalogue, itemCount: number | undefined, topK: number): JsonSchema {
  const list = { type: 'array', items: codeSchema(items) };
  return {
    type: 'object',
    properties: {
      user: { title: 'User', description: 'For whom.', ...codeSchema(users) },
      items: { ...list, title: 'Items', description: itemCount === undefined ? 'What to choose from.' : `What to choose from. Default: all ${itemCount}.`, ...(itemCount === undefined ? {} : { 'x-modelport': { advanced: true } }) },
      exclude: { ...list, title: 'Without', description: 'Items to leave out: what the user knows already.', 'x-modelport': { advanced: true } },
      topK: { type: 'integer', title: 'Items to list', minimum: 1, maximum: Math.min(1000, itemCount ?? 1000), default: topK, 'x-modelport': { advanced: true } },
    },
    required: itemCount === undefined ? ['user', 'items'] : ['user'],
    additionalProperties: false,
  };
}

function outputSchema(items: Catalogue): JsonSchema {
  return {
    type: 'object',
    properties: {
      items: {
        type: 'array',
        description: 'What suits best, the best first.',
        items: { type: 'object', properties: { item: codeSchema(items), score: { type: 'number' } }, required: ['item', 'score'], additionalProperties: false },
        'x-modelport': { widget: 'ranking' },
      },
    },
    required: ['items'],
    additionalProperties: false,
  };
}
