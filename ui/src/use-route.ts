import { useEffect, useState } from 'react';
import { parseRoute, type Route } from './route.ts';

export interface Visit {
  readonly route: Route;
  /** Grows with every navigation, so that following the same link twice is seen. */
  readonly count: number;
}

export function useRoute(): Visit {
  const [visit, setVisit] = useState<Visit>(() => ({ route: parseRoute(location.hash), count: 0 }));
  useEffect(() => {
    const follow = (): void => setVisit((before) => ({ route: parseRoute(location.hash), count: before.count + 1 }));
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, []);
  return visit;
}
