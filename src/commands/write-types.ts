/** What `types` does: models, from a server or from files, as declarations. */
import { rename, writeFile } from 'node:fs/promises';
import { ModelportError } from '../errors.ts';
import type { JsonSchema, Signature, TensorSpec } from '../model.ts';
import { createLog } from '../observability/log.ts';
import { createRepository } from './compose.ts';
import { isServiceFile } from './is-service-file.ts';
import { typeOfSchema } from './schema-types.ts';

export interface DescribedModel {
  readonly name: string;
  readonly signature: Pick<Signature, 'inputs' | 'outputs'>;
  readonly predict?: { readonly input: JsonSchema; readonly output: JsonSchema; readonly part?: JsonSchema };
}

export async function writeTypes(source: string, options: { readonly output?: string; readonly apiKey?: string }): Promise<void> {
  const models = /^https?:\/\//.test(source) ? await readServer(source, options.apiKey) : await readFiles(source);
  const text = declareModels(models);
  if (options.output === undefined) {
    process.stdout.write(text);
    return;
  }
  const beside = `${options.output}.${process.pid}.tmp`;
  await writeFile(beside, text);
  await rename(beside, options.output);
  process.stderr.write(`${models.length} model${models.length === 1 ? '' : 's'} declared in ${options.output}\n`);
}

/** The declaration file. Pure. */
export function declareModels(models: readonly DescribedModel[]): string {
  const lines = models.map(({ name, signature, predict }) =>
    [
      `    ${JSON.stringify(name)}: {`,
      `      inputs: ${tensors(signature.inputs, 'InputOf')};`,
      `      outputs: ${tensors(signature.outputs, 'OutputOf')};`,
      ...(predict === undefined ? [] : [`      predict: { input: ${typeOfSchema(predict.input)}; output: ${typeOfSchema(predict.output)} };`]),
      ...(predict?.part === undefined ? [] : [`      stream: { input: ${typeOfSchema(predict.input)}; part: ${typeOfSchema(predict.part)} };`]),
      '    };',
    ].join('\n'),
  );
  return `// Written by \`modelport types\`; write it again when the models change.
import type { InputOf, OutputOf } from 'modelport/client';

declare module 'modelport/client' {
  interface Models {
${lines.join('\n')}
  }
}
`;
}

function tensors(specs: readonly TensorSpec[], wrapper: string): string {
  const members = specs.map((spec) => `${JSON.stringify(spec.name)}${spec.optional === true ? '?' : ''}: ${wrapper}<'${spec.datatype}'>`);
  return members.length === 0 ? '{}' : `{ ${members.join('; ')} }`;
}

interface PageDocument {
  readonly models: readonly { readonly name: string; readonly versions: readonly { readonly served?: { readonly signature: Pick<Signature, 'inputs' | 'outputs'>; readonly predict?: DescribedModel['predict'] } }[] }[];
}

async function readServer(url: string, apiKey: string | undefined): Promise<DescribedModel[]> {
  const place = `${url.replace(/\/+$/, '')}/ui/models`;
  let response: Response;
  try {
    response = await fetch(place, { headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` } });
  } catch (cause) {
    throw new ModelportError('INVALID_USAGE', `${url} does not answer: ${((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message}`, { cause });
  }
  if (response.status === 401) throw new ModelportError('UNAUTHENTICATED', `${url} asks for an API key: give it with --api-key or MODELPORT_API_KEY`);
  if (!response.ok) throw new ModelportError('INVALID_USAGE', `${place} answered ${response.status}: is that a Modelport server?`);
  const document = (await response.json()) as PageDocument;
  return document.models.flatMap(({ name, versions }) => {
    const served = versions.findLast((version) => version.served !== undefined)?.served;
    return served === undefined ? [] : [{ name, signature: served.signature, ...(served.predict === undefined ? {} : { predict: served.predict }) }];
  });
}

async function readFiles(path: string): Promise<DescribedModel[]> {
  if (isServiceFile(path)) return readServices(path);
  const repository = createRepository({ paths: [path], mode: 'none', log: createLog('text', 'warn'), responseCacheBytes: 0, resources: {} });
  try {
    const failures = await repository.start();
    if (failures.length > 0) throw failures[0]!.error;
    return repository
      .ready()
      .filter(({ version, versions }) => version === versions.at(-1))
      .map(({ name, model: { signature } }) => ({ name, signature, ...(signature.predict === undefined ? {} : { predict: signature.predict }) }));
  } finally {
    await repository[Symbol.asyncDispose]();
  }
}

/** Endpoints as they are written; nothing of the service is started. */
async function readServices(path: string): Promise<DescribedModel[]> {
  const [{ loadServices }, { describeDefinition }, { endpointModelName }] = await Promise.all([import('./load-service.ts'), import('../service/describe-definition.ts'), import('../service/endpoint-name.ts')]);
  const { services } = await loadServices(path);
  return services.flatMap(({ name, endpoints }) =>
    Object.entries(endpoints).map(([endpoint, definition]) => ({ name: endpointModelName(name, endpoint), signature: { inputs: [], outputs: [] }, predict: describeDefinition(name, endpoint, definition) })),
  );
}
