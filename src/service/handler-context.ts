/** What a handler gets beside its input. Its parts are made on first use: most handlers use few. */
import type { HandlerContext, ModelsOf, ModelSources, ServicesOf, ServiceSources } from './definition.ts';
import type { Attempt } from './attempt.ts';
import { bindModels, bindServices } from './model-functions.ts';
import type { RunningService } from './service-instance.ts';

export class RequestContext implements HandlerContext {
  readonly dependencies: Readonly<Record<string, never>>;
  readonly #attempt: Attempt;
  readonly #running: RunningService;
  #models: ModelsOf<ModelSources> | undefined;
  #services: ServicesOf<ServiceSources> | undefined;

  constructor(running: RunningService, attempt: Attempt, dependencies: Readonly<Record<string, unknown>>) {
    this.#running = running;
    this.#attempt = attempt;
    this.dependencies = dependencies as Readonly<Record<string, never>>;
  }

  get models(): ModelsOf<ModelSources> {
    return (this.#models ??= bindModels(this.#running.service, this.#running.host, this.#attempt.call, this.#running.modelOverrides) as ModelsOf<ModelSources>);
  }

  get services(): ServicesOf<ServiceSources> {
    return (this.#services ??= bindServices(this.#running.service, this.#running.host, this.#attempt.call) as ServicesOf<ServiceSources>);
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get requestId(): string | undefined {
    return this.#attempt.call.id;
  }

  /** Bound, because handlers take it out of the context. */
  readonly progress = (fraction: number | undefined, text?: string): void => {
    this.#attempt.call.reportProgress({ ...(fraction === undefined ? {} : { fraction: Math.min(1, Math.max(0, fraction)) }), ...(text === undefined ? {} : { text }) });
  };
}
