/** Servers and workers: what they are asked, and whether they keep up. */
import { dashboard, row, series, stat, table } from './panels.ts';
import { most, orZero, perSecond, quantile, sumOf, within } from './queries.ts';

const EACH = ['instance', 'process'] as const;
const NAME = '{{instance}} {{process}}';

export const processes = dashboard(
  {
    uid: 'fairslot-process',
    title: 'Process',
    description: 'Servers and workers: what they are asked, and whether they keep up.',
  },
  [
    row('Do they run?'),
    stat(
      'Processes that are ready',
      {
        about: 'Of each host. 0 for more than a minute: see the log for its last words.',
        unit: 'none',
        width: 8,
        words: { '1': ['ready', 'green'], '0': ['not ready', 'red'] },
      },
      [NAME, 'min by (instance, process) (fairslot_processes_running_state)'],
    ),
    stat(
      'Started again',
      {
        about:
          'Processes that ended by themselves within the last hour. 0 is normal; rolling restarts are not counted.',
        unit: 'none',
        decimals: 0,
        width: 4,
        orange: 1,
        red: 3,
      },
      ['restarts', orZero(within('1h', 'fairslot_processes_restarts_total'))],
    ),
    stat(
      'Rolling restarts',
      {
        about: 'Within the last day, by whether every process was replaced.',
        unit: 'none',
        decimals: 0,
        width: 4,
        isCalm: true,
      },
      ['{{outcome}}', orZero(within('1d', 'fairslot_processes_rolls_total', 'outcome'))],
    ),
    table(
      'Which versions run?',
      {
        about: 'One, but for the minutes of a rolling restart.',
        unit: 'none',
        height: 4,
        columns: { version: 'Version', Value: 'Processes' },
      },
      'count by (version) (fairslot_build_info)',
    ),
    row('What are they asked?'),
    series(
      'Requests by route',
      { about: 'The ten that are asked most.', unit: 'reqps', width: 8 },
      ['{{route}}', `topk(10, ${perSecond('fairslot_http_requests_total', 'route')})`],
    ),
    series(
      'Answers by status',
      {
        about: '2xx and 4xx are normal. 5xx are not: 503 while Redis is away, 500 a fault of ours.',
        unit: 'reqps',
        width: 8,
        isStacked: true,
      },
      ['{{status}}', perSecond('fairslot_http_requests_total', 'status')],
    ),
    series(
      'How long do answers take, by route?',
      {
        about: '99 of 100 within this, of the ten slowest routes. Below 0.1 s is normal.',
        unit: 's',
        width: 8,
        orange: 0.5,
        red: 1,
      },
      [
        '{{route}}',
        `topk(10, ${quantile(0.99, 'fairslot_http_request_duration_seconds', 'route')})`,
      ],
    ),
    series(
      'Requests in hand',
      {
        about:
          'Some tens are normal. If they rise while answers get slow, Redis or processors are at their end.',
        unit: 'none',
      },
      ['in hand', sumOf('fairslot_http_in_flight_requests')],
    ),
    series(
      'Answers given again',
      {
        about:
          'For an Idempotency-Key that was sent before. Many: clients give up before they have their answer.',
        unit: 'ops',
      },
      ['{{outcome}}', perSecond('fairslot_http_replays_total', 'outcome')],
    ),
    row('Do they keep up?'),
    series(
      'Lag of the event loop',
      {
        about: '99 of 100 turns wait less. Above 0.1 s more processes are needed.',
        unit: 's',
        width: 8,
        orange: 0.1,
        red: 0.25,
      },
      [NAME, most('nodejs_eventloop_lag_p99_seconds', ...EACH)],
    ),
    series(
      'Processor',
      {
        about: 'Of one core. A server at 100% has no more to give; a worker is while it draws.',
        unit: 'percentunit',
        width: 8,
        orange: 0.8,
      },
      [NAME, perSecond('process_cpu_seconds_total', ...EACH)],
    ),
    series(
      'Collecting garbage',
      { about: 'Share of time. Below 5% is normal.', unit: 'percentunit', width: 8, orange: 0.1 },
      [NAME, perSecond('nodejs_gc_duration_seconds_sum', ...EACH)],
    ),
    series(
      'Memory',
      {
        about: 'Levels off after an hour; a worker rises with a big round and falls again.',
        unit: 'bytes',
        width: 8,
      },
      [NAME, most('process_resident_memory_bytes', ...EACH)],
    ),
    series(
      'Heap that is used',
      {
        about: 'If it only ever rises, something is kept that should not be.',
        unit: 'bytes',
        width: 8,
      },
      [NAME, most('nodejs_heap_size_used_bytes', ...EACH)],
    ),
    series(
      'Open files',
      {
        about: 'Of what ulimit allows; connections are files.',
        unit: 'percentunit',
        width: 8,
        orange: 0.6,
        red: 0.8,
      },
      [NAME, 'max by (instance, process) (process_open_fds / process_max_fds)'],
    ),
  ],
);
