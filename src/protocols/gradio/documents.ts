/** `/config` and `/info`: what clients read before they call anything. Pure. */
import { createHash } from 'node:crypto';
import { endpointSummary } from '../../endpoint.ts';
import type { ServerFacts } from '../../protocol.ts';
import type { Component } from './components.ts';
import type { FunctionTable, GradioFunction } from './functions.ts';

export const apiPrefix = '/gradio_api';

/** The release of Gradio whose wire this is; clients compare it before they use what is newer. */
const gradioVersion = '6.31.0';

/** Stays the same while the server and its replicas do. */
export function appId({ serverName, version }: ServerFacts): number {
  return createHash('sha256').update(`${serverName}\0${version}`).digest().readUInt32BE() >>> 1;
}

export function configDocument(functions: FunctionTable, server: ServerFacts): unknown {
  const components: { readonly id: number }[] = [];
  const add = (component: Component, label: string, direction: 'input' | 'output', value?: unknown): number => {
    const id = components.length + 1;
    const { name, type, props } = component;
    const described = {
      id,
      type: name.toLowerCase(),
      props: { ...props, label, name: name.toLowerCase(), show_label: true, visible: true, interactive: direction === 'input', ...(value === undefined ? {} : { value }) },
      skip_api: false,
      component_class_id: name.toLowerCase(),
      key: null,
      api_info: type,
      [`api_info_as_${direction}`]: type,
      example_inputs: null,
    };
    components.push(described);
    return id;
  };
  const dependencies = [...functions.values()].map((each) => ({
    ...dependency(each),
    inputs: each.parameters.map((parameter) => add(parameter.component, parameter.label, 'input', parameter.default ?? undefined)),
    outputs: each.outputs.map((output) => add(output.component, output.label, 'output')),
  }));
  const layout = { id: 0, children: components.map(({ id }) => ({ id })) };
  return {
    version: gradioVersion,
    api_prefix: apiPrefix,
    mode: 'blocks',
    app_id: appId(server),
    // Clients take the address that they were given: this server does not know what proxies call it.
    root: '',
    title: server.serverName,
    protocol: 'sse_v3',
    enable_queue: true,
    connect_heartbeat: false,
    max_file_size: server.maxBodyBytes,
    show_error: true,
    run_history: false,
    analytics_enabled: false,
    dev_mode: false,
    vibe_mode: false,
    is_space: false,
    is_colab: false,
    space_id: null,
    username: null,
    auth_required: false,
    css: null,
    js: null,
    head: null,
    theme: 'default',
    stylesheets: [],
    footer_links: [],
    mcp_server: false,
    i18n_translations: null,
    components,
    dependencies,
    layout,
    pages: [['', server.serverName, true]],
    page: { '': { components: components.map(({ id }) => id), dependencies: dependencies.map(({ id }) => id), layout } },
    current_page: '',
  };
}

function dependency({ id, apiName, endpoint, visibility, streams }: GradioFunction): { readonly id: number } & Readonly<Record<string, unknown>> {
  return {
    id,
    targets: [[null, 'api']],
    backend_fn: true,
    js: null,
    queue: true,
    api_name: apiName,
    api_description: descriptionOf(endpoint),
    api_visibility: visibility,
    show_api: visibility === 'public',
    scroll_to_output: false,
    show_progress: 'full',
    show_progress_on: null,
    batch: false,
    max_batch_size: 4,
    cancels: [],
    types: { generator: streams, cancel: false },
    collects_event_data: false,
    trigger_after: null,
    trigger_only_on_success: false,
    trigger_only_on_failure: false,
    trigger_mode: 'multiple',
    rendered_in: null,
    render_id: null,
    connection: 'sse',
    time_limit: null,
    stream_every: 0.5,
    event_specific_args: null,
    component_prop_inputs: [],
    js_implementation: null,
  };
}

export function infoDocument(functions: FunctionTable): unknown {
  return {
    named_endpoints: Object.fromEntries(
      [...functions.values()].map(({ apiName, endpoint, parameters, outputs, visibility }) => [
        `/${apiName}`,
        {
          description: descriptionOf(endpoint),
          api_visibility: visibility,
          parameters: parameters.map(({ name, label, description, component, hasDefault, default: value, example }) => ({
            label,
            parameter_name: name,
            parameter_has_default: hasDefault,
            parameter_default: value,
            type: component.type,
            python_type: { type: component.pythonType, description },
            component: component.name,
            example_input: example,
          })),
          returns: outputs.map(({ label, description, component }) => ({ label, type: component.type, python_type: { type: component.pythonType, description }, component: component.name })),
        },
      ]),
    ),
    unnamed_endpoints: {},
  };
}

function descriptionOf(endpoint: GradioFunction['endpoint']): string {
  const more = endpoint.signature.description ?? endpoint.served.config.config.description;
  return more === undefined ? endpointSummary(endpoint) : `${endpointSummary(endpoint)}. ${more}`;
}
