import { Counter, Histogram, Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { merge } from '../../src/processes/gather.ts';

/** The page of a process that has this name, and a metric that others may lack. */
async function pageOf(process: string, own?: string): Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ process });
  const registers = [registry];
  new Counter({ name: 'a_total', help: 'Of\nall.', labelNames: ['code'], registers }).inc({
    code: 'x\n\n# HELP a_total "',
  });
  new Histogram({ name: 'b_seconds', help: 'Of all, too.', buckets: [1], registers }).observe(2);
  const never = { name: 'c_total', help: 'Never counted.', labelNames: ['code'] };
  registry.registerMetric(new Counter({ ...never, registers: [] }));
  if (own !== undefined) new Counter({ name: own, help: `Of ${process}.`, registers }).inc(3);
  return registry.metrics();
}

it('puts the series of every process under one head a metric', async () => {
  const merged = merge([await pageOf('server-1'), await pageOf('worker-1', 'd_total')]);
  const of = (process: string) => [
    `a_total{code="x\\n\\n# HELP a_total \\"",process="${process}"} 1`,
  ];
  const histogram = (process: string) => [
    `b_seconds_bucket{le="1",process="${process}"} 0`,
    `b_seconds_bucket{le="+Inf",process="${process}"} 1`,
    `b_seconds_sum{process="${process}"} 2`,
    `b_seconds_count{process="${process}"} 1`,
  ];
  expect(merged.split('\n')).toEqual([
    '# HELP a_total Of\\nall.',
    '# TYPE a_total counter',
    ...of('server-1'),
    ...of('worker-1'),
    '',
    '# HELP b_seconds Of all, too.',
    '# TYPE b_seconds histogram',
    ...histogram('server-1'),
    ...histogram('worker-1'),
    '',
    '# HELP c_total Never counted.',
    '# TYPE c_total counter',
    '',
    '# HELP d_total Of worker-1.',
    '# TYPE d_total counter',
    'd_total{process="worker-1"} 3',
    '',
  ]);
});

it('is the page itself where there is one', async () => {
  const page = await pageOf('start', 'd_total');
  expect(merge([page])).toBe(page);
});
