/** Finds the route of a path: a tree of path segments, built once. */
import { assert } from '../lib/assert.ts';
import type { Route } from './route.ts';

export type Match<T> = {
  /** What is here, by method in upper case. */
  readonly methods: ReadonlyMap<string, T>;
  readonly params: Readonly<Record<string, string>>;
};

type Node<T> = {
  readonly words: Map<string, Node<T>>;
  parameter?: Node<T>;
  methods?: Map<string, T>;
  /** Names of the parameters on the way here, in order. */
  names?: readonly string[];
};

/**
 * At each segment a fixed word goes before a parameter. Two routes of one path name its parameters
 * alike.
 */
export function createMatcher<T>(
  routes: readonly Route[],
  serve: (route: Route) => T,
): (path: string) => Match<T> | undefined {
  const root: Node<T> = { words: new Map() };
  for (const route of routes) plant(root, route, serve(route));
  return (path) => find(root, path);
}

function plant<T>(root: Node<T>, route: Route, served: T): void {
  const names: string[] = [];
  let node = root;
  for (const segment of segmentsOf(route.path)) {
    let next = segment.startsWith(':') ? node.parameter : node.words.get(segment);
    next ??= { words: new Map() };
    if (segment.startsWith(':')) {
      names.push(segment.slice(1));
      node.parameter = next;
    } else node.words.set(segment, next);
    node = next;
  }
  node.methods ??= new Map();
  node.names ??= names;
  assert(node.names.join() === names.join(), `${route.path} names its parameters in two ways`);
  const method = route.method.toUpperCase();
  assert(!node.methods.has(method), `${method} ${route.path} is there twice`);
  node.methods.set(method, served);
  if (method === 'GET') node.methods.set('HEAD', served);
}

function find<T>(root: Node<T>, path: string): Match<T> | undefined {
  const values: string[] = [];
  let node: Node<T> | undefined = root;
  for (const segment of segmentsOf(path)) {
    const word: Node<T> | undefined = node.words.get(segment);
    if (!word) {
      const value = decode(segment);
      if (!value) return undefined;
      values.push(value);
    }
    node = word ?? node.parameter;
    if (!node) return undefined;
  }
  if (!node.methods || !node.names) return undefined;
  const params: Record<string, string> = {};
  for (const [index, name] of node.names.entries()) params[name] = values[index] ?? '';
  return { methods: node.methods, params };
}

const segmentsOf = (path: string): string[] => path.slice(1).split('/');

/** Empty when it is not valid percent-encoding: then nothing is at this address. */
function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return '';
  }
}
