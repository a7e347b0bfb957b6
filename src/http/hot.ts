/**
 * Which listener takes a request. Routes that are marked hot in the table are served by node:http
 * itself; whatever else comes, and what is no route at all, goes through Express. Both end in the
 * same pipeline, so that an answer does not show which way its request took
 * (test/http/both-ways.http.test.ts).
 */
import { createMatcher } from './match.ts';
import type { Listener } from './node.ts';
import type { Route } from './route.ts';

export function createHotFirst(
  routes: readonly Route[],
  direct: Listener,
  express: Listener,
): Listener {
  const match = createMatcher(
    routes.filter(({ hot }) => hot === true),
    () => true,
  );
  return (incoming, outgoing) => {
    const { url = '', method = '' } = incoming;
    const mark = url.indexOf('?');
    const isHot = match(mark < 0 ? url : url.slice(0, mark))?.methods.has(method) ?? false;
    (isHot ? direct : express)(incoming, outgoing);
  };
}
