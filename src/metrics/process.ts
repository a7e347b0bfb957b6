import { readFileSync } from 'node:fs';
import { collectDefaultMetrics } from 'prom-client';
import type { Book } from './book.ts';

/** Of prom-client's own metrics, those that cost series and answer no question of ours. */
const LEFT_OUT = [
  'nodejs_heap_space_size_total_bytes',
  'nodejs_heap_space_size_used_bytes',
  'nodejs_heap_space_size_available_bytes',
  'nodejs_active_resources',
  'nodejs_active_resources_total',
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests',
  'nodejs_active_requests_total',
  'nodejs_version_info',
  'process_virtual_memory_bytes',
  'process_heap_bytes',
];

/** CPU, memory, event loop lag, garbage collection; and which version runs. */
export function processMetrics(book: Book): void {
  collectDefaultMetrics({ register: book.registry });
  for (const name of LEFT_OUT) book.registry.removeSingleMetric(name);
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  ) as { version: string };
  const info = book.gauge({
    name: 'fairslot_build_info',
    help: '1, from every process that is up, with the version of the engine that it runs.',
    unit: 'processes',
    of: 'process',
    labels: { version: [version] },
  });
  info.set({ version }, 1);
}
