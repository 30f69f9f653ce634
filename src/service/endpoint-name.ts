/** What the endpoint of a service is called on the server: `photos.classify`; an endpoint `predict` is the service itself. */
export function endpointModelName(service: string, endpoint: string): string {
  return endpoint === 'predict' ? service : `${service}.${endpoint}`;
}
