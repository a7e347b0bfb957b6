/** What the starting process knows of the others: it tells of those that cannot. */
import { createBook } from './book.ts';
import { processMetrics } from './process.ts';

/** What is asked when Prometheus asks. */
export type MachineReadings = {
  readonly names: () => readonly string[];
  readonly ready: () => ReadonlySet<string>;
};

export type MachineMetrics = ReturnType<typeof createMachineMetrics>;

const NAMES = /^(?:server|worker)-\d{1,4}$/;

export function createMachineMetrics({ names, ready }: MachineReadings) {
  const book = createBook();
  processMetrics(book);
  book.registry.setDefaultLabels({ process: 'start' });
  // Before the counter, which shows every process from the first scrape on: it is asked first.
  book.gauge(
    {
      name: 'fairslot_processes_running_state',
      help: 'Whether a process runs and has been ready: 1 or 0.',
      unit: 'truth',
      of: 'process',
      labels: { process: NAMES },
    },
    function collect() {
      this.reset(); // names may have gone
      const isReady = ready();
      for (const name of names()) {
        this.set({ process: name }, isReady.has(name) ? 1 : 0);
        restarts.inc({ process: name }, 0); // told of before the first
      }
    },
  );
  const restarts = book.counter({
    name: 'fairslot_processes_restarts_total',
    help: 'Processes that ended by themselves and were started again.',
    unit: 'restarts',
    of: 'process',
    labels: { process: NAMES },
  });
  const rolls = book.counter({
    name: 'fairslot_processes_rolls_total',
    help: 'Rolling restarts, by whether every process was replaced.',
    unit: 'rolls',
    of: 'process',
    labels: { outcome: ['completed', 'failed'] },
  });
  return { registry: book.registry, entries: book.entries, restarts, rolls };
}
