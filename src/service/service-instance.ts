/** A service while it serves, as its parts see each other. */
import type { Call } from '../call.ts';
import type { Model } from '../model.ts';
import type { Attempt } from './attempt.ts';
import type { Service } from './definition.ts';
import type { DependencyScope } from './dependency-scope.ts';
import type { EndpointStatistics, ServiceHost } from './host.ts';
import type { ModelOverrides } from './model-functions.ts';

export interface EndpointModel extends Model {
  readonly name: string;
  readonly statistics: EndpointStatistics;
  predict(value: unknown, call: Call): Promise<unknown>;
}

export interface RunningService extends AsyncDisposable {
  readonly service: Service;
  readonly host: ServiceHost;
  readonly modelOverrides: ModelOverrides;
  /** By the name of the endpoint. */
  readonly endpoints: ReadonlyMap<string, EndpointModel>;
  /** Values of the dependencies that are made once. */
  serviceValues(): Promise<Record<string, unknown>>;
  /** What a request's dependencies come from. */
  requestScope(attempt: Attempt): DependencyScope;
}
