/** Redis, as the engine sees it and as it says of itself. */
import { dashboard, row, series, stat } from './panels.ts';
import { most, orZero, perSecond, quantile } from './queries.ts';

export const redis = dashboard(
  {
    uid: 'fairslot-redis',
    title: 'Redis',
    description: 'Redis, as the engine sees it and as it says of itself.',
  },
  [
    row('Is what was acknowledged safe?'),
    stat(
      'Does it answer?',
      {
        about:
          'Workers, and whichever process finds itself worst off. While it is away nothing is granted, and nothing is lost.',
        unit: 'none',
        words: { '1': ['yes', 'green'], '0': ['no', 'red'] },
      },
      ['answers', 'min(fairslot_redis_up)'],
      ['all connected', 'min(fairslot_redis_connected)'],
    ),
    stat(
      'Does it write to disk?',
      {
        about:
          'The AOF is on everywhere, and its last write went well. If not: the disk is full or broken, or appendonly is off.',
        unit: 'none',
        words: { '1': ['yes', 'green'], '0': ['no', 'red'] },
      },
      ['AOF on', 'min(fairslot_redis_aof_enabled)'],
      ['written', 'min(fairslot_redis_aof_write_ok)'],
    ),
    stat(
      'Nodes',
      {
        about: 'That answer and that do not. One node that is ok is a Redis without a cluster.',
        unit: 'none',
        isCalm: true,
      },
      ['{{state}}', most('fairslot_redis_nodes', 'state')],
    ),
    stat(
      'Replicas',
      {
        about:
          'Of the primary that has fewest. Without one, a host that is lost takes what it held with it.',
        unit: 'none',
        isCalm: true,
      },
      ['replicas', 'min(fairslot_redis_replicas)'],
    ),
    stat(
      'Memory used',
      {
        about:
          'Of maxmemory, of the fullest node; 0% where there is no bound. At 100% it refuses writes.',
        unit: 'percentunit',
        decimals: 0,
        orange: 0.6,
        red: 0.8,
      },
      ['used', most('fairslot_redis_memory_used_ratio')],
    ),
    stat(
      'Keys thrown away',
      {
        about:
          'Since it started. Anything but 0 may be entries: maxmemory-policy must be noeviction.',
        unit: 'none',
        red: 1,
      },
      ['evicted', most('fairslot_redis_evicted_keys_total')],
    ),
    row('How does the engine fare with it?'),
    series(
      'How long do scripts take?',
      {
        about:
          'As processes see it, 99 of 100 within this. Below 25 ms is normal; all of them slow is Redis or its disk, one of them is the script.',
        unit: 's',
        width: 8,
        orange: 0.1,
        red: 0.5,
      },
      [
        '{{script}}',
        `topk(10, ${quantile(0.99, 'fairslot_redis_script_duration_seconds', 'script')})`,
      ],
    ),
    series(
      'Which scripts run?',
      { about: 'At an opening, rounds/enter and people/claim lead.', unit: 'ops', width: 8 },
      [
        '{{script}}',
        `topk(10, ${perSecond('fairslot_redis_script_duration_seconds_count', 'script')})`,
      ],
    ),
    series(
      'Which scripts fail?',
      {
        about:
          'away: no connection. timeout: no answer in 3 s. fault: anything else, a fault of ours.',
        unit: 'ops',
        width: 8,
      },
      ['{{kind}}', orZero(perSecond('fairslot_redis_script_errors_total', 'kind'))],
    ),
    row('How does it fare itself?'),
    series(
      'Memory',
      { about: 'Of the node that uses most, and the smallest bound.', unit: 'bytes', width: 6 },
      ['used', most('fairslot_redis_memory_used_bytes')],
      ['bound', 'min(fairslot_redis_memory_max_bytes)'],
    ),
    series(
      'Processor',
      {
        about:
          'Of the node that used most; it has one thread for scripts, so 100% is all there is.',
        unit: 'percentunit',
        width: 6,
        orange: 0.7,
        red: 0.9,
      },
      ['used', 'max(rate(fairslot_redis_cpu_seconds_total[$__rate_interval]))'],
    ),
    series(
      'Commands',
      {
        about: 'Of the busiest node. Some thousands a second are normal at an opening.',
        unit: 'ops',
        width: 6,
      },
      ['commands', most('fairslot_redis_operations_per_second')],
    ),
    series(
      'Clients, and those it turns away',
      {
        about: 'A few for each process. Turned away: maxclients is too low.',
        unit: 'none',
        width: 6,
      },
      ['connected', most('fairslot_redis_connected_clients')],
      ['turned away', 'max(increase(fairslot_redis_rejected_connections_total[$__rate_interval]))'],
    ),
    series(
      'How far are replicas behind?',
      {
        about: 'Below a second is normal; what they lack would be lost in a failover.',
        unit: 's',
        width: 8,
        orange: 2,
        red: 10,
      },
      ['behind', orZero(most('fairslot_redis_replication_lag_seconds'))],
    ),
    series(
      'And in bytes?',
      { about: 'What the slowest replica has yet to get.', unit: 'bytes', width: 8 },
      ['behind', orZero(most('fairslot_redis_replication_lag_bytes'))],
    ),
    series(
      'When did it start, and does it rewrite its AOF?',
      {
        about:
          'Uptime falls to 0 when a node is started again or another takes its place. A rewrite (1) may slow scripts down.',
        unit: 'none',
        width: 8,
      },
      ['hours up', 'min(fairslot_redis_uptime_seconds) / 3600'],
      ['rewriting', most('fairslot_redis_aof_rewriting')],
    ),
  ],
);
