/** One page of metrics for all processes of a machine. */
import type { ChildProcess } from 'node:child_process';
import { setTimeout } from 'node:timers/promises';
import type { FromChild, ToChild } from './child.ts';

export type Gather = (children: Iterable<ChildProcess>) => Promise<string[]>;

/** Asks all at once for their pages; those that do not answer in time are left out. */
export function createGather(answerWithinMs: number): Gather {
  // One that hangs is asked once, not at every scrape until it wakes up.
  const asked = new WeakMap<ChildProcess, Promise<string>>();
  const ask = (child: ChildProcess): Promise<string> => {
    const waiting = asked.get(child) ?? askOnce(child).finally(() => asked.delete(child));
    asked.set(child, waiting);
    return waiting;
  };
  return async (children) => {
    const given = new AbortController();
    const late = setTimeout(answerWithinMs, undefined, { signal: given.signal }).catch(
      () => undefined,
    );
    const pages = await Promise.all(
      Array.from(children, (child) => Promise.race([ask(child).catch(() => undefined), late])),
    );
    given.abort();
    return pages.filter((page) => page !== undefined);
  };
}

/** Fails when the process cannot tell, or ends. */
function askOnce(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const stopListening = (): void => {
      child.off('message', hear);
      child.off('exit', end);
    };
    const hear = (message: Partial<FromChild>): void => {
      if (message.tell !== 'metrics') return;
      if (message.page === undefined) return end();
      stopListening();
      resolve(message.page);
    };
    const end = (): void => {
      stopListening();
      reject(new Error('the process cannot tell its metrics'));
    };
    child.on('message', hear);
    child.once('exit', end);
    const question: ToChild = { ask: 'metrics' };
    child.send(question, (fault) => fault && end());
  });
}

/**
 * Pages in the text format of Prometheus as one: all series of a metric stand together under one
 * head. Every page labels its series with its process, so no two are the same.
 */
export function merge(pages: readonly string[]): string {
  const families = new Map<string, { readonly head: string; readonly series: string[] }>();
  for (const page of pages) {
    for (const text of page.trimEnd().split('\n\n')) {
      // # HELP name …, # TYPE name …, then the series.
      const typeAt = text.indexOf('\n') + 1;
      const headEnd = text.indexOf('\n', typeAt);
      const name = text.slice('# HELP '.length, text.indexOf(' ', '# HELP '.length));
      const head = headEnd === -1 ? text : text.slice(0, headEnd);
      const family = families.get(name) ?? { head, series: [] };
      if (headEnd !== -1) family.series.push(text.slice(headEnd)); // with the line break before it
      families.set(name, family);
    }
  }
  const texts = Array.from(families.values(), ({ head, series }) => `${head}${series.join('')}`);
  return `${texts.join('\n\n')}\n`;
}
