/** The address: `#/models/iris/versions/2?input={…}`, `#/dashboard`. Everything a person may want to send is in it. */
export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'dashboard' }
  | { readonly page: 'gallery' }
  | { readonly page: 'model'; readonly name: string; readonly version?: string; readonly input?: string };

export function parseRoute(hash: string): Route {
  const [path, query = ''] = splitOnce(hash.replace(/^#/, ''), '?');
  const parts = path.split('/').filter((part) => part !== '').map(decode);
  if (parts[0] === 'dashboard') return { page: 'dashboard' };
  if (parts[0] === 'gallery') return { page: 'gallery' };
  if (parts[0] === 'models' && parts[1] !== undefined) {
    const input = new URLSearchParams(query).get('input');
    const version = parts[2] === 'versions' ? parts[3] : undefined;
    return { page: 'model', name: parts[1], ...(version === undefined ? {} : { version }), ...(input === null ? {} : { input }) };
  }
  return { page: 'home' };
}

export function formatRoute(route: Route): string {
  if (route.page === 'home') return '#/';
  if (route.page === 'dashboard' || route.page === 'gallery') return `#/${route.page}`;
  const version = route.version === undefined ? '' : `/versions/${encodeURIComponent(route.version)}`;
  const input = route.input === undefined ? '' : `?${new URLSearchParams({ input: route.input })}`;
  return `#/models/${encodeURIComponent(route.name)}${version}${input}`;
}

/** A permalink longer than this does not survive mail and chat. */
export const longestInput = 12_000;

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
