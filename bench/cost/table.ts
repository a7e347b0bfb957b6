/** The section of docs/operations.md that is written from a measurement. */
import { assert } from '../../src/lib/assert.ts';
import { INDIA } from '../shards/country.ts';
import {
  ASSUMPTIONS,
  assumed,
  capacityOf,
  type Cost,
  costOf,
  type Evening,
  largestReleaseOf,
  type Measured,
} from './model.ts';
import type { Recorded } from './recorded.ts';

const BEGIN = '<!-- cost: written by `npm run bench -- cost --write` -->';
const END = '<!-- cost: end -->';
const HOUR_S = 3_600;
const DAY_S = 24 * HOUR_S;
/** Census of India 2011: people of Maharashtra, whose largest district is the country's. */
const MAHARASHTRA = 112_374_333;
const MILLION = 1_000_000;

export const EVENINGS: readonly (Evening & { readonly name: string })[] = [
  { name: '1 M in 1 h, one release', people: MILLION, windowS: HOUR_S, largestRelease: MILLION },
  {
    name: '10 M in 1 h, a state',
    people: 10 * MILLION,
    windowS: HOUR_S,
    largestRelease: Math.round((10 * MILLION * INDIA.largest) / MAHARASHTRA),
  },
  ...[HOUR_S, DAY_S].map((windowS) => ({
    name: `100 M in ${windowS / HOUR_S} h, a country`,
    people: 100 * MILLION,
    windowS,
    largestRelease: Math.round((100 * MILLION * INDIA.largest) / INDIA.people),
  })),
];

/** Three digits that count, with commas: 1,230 and 0.0123. */
export function figure(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return Number(value.toPrecision(3)).toLocaleString('en-US', {
    maximumFractionDigits: digits,
  });
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
/** Decimal units, as disks and lines are sold. */
const scaled = (value: number, units: readonly string[]): string => {
  const power = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log10(Math.max(1, value)) / 3)),
  );
  return `${figure(value / 1000 ** power)} ${units[power] ?? ''}`;
};
export const bytes = (value: number): string => scaled(value, UNITS);
const bits = (value: number): string =>
  scaled(value, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);
const duration = (seconds: number): string => {
  if (seconds < 120) return `${figure(seconds)} s`;
  if (seconds < 2 * HOUR_S) return `${figure(seconds / 60)} min`;
  if (seconds < 2 * DAY_S) return `${figure(seconds / HOUR_S)} h`;
  return `${figure(seconds / DAY_S)} days`;
};

type Row = readonly string[];
const table = (head: Row, rows: readonly Row[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** The page with the section of this measurement in place of the one it has. */
export function pageWith(page: string, recorded: Recorded): string {
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  assert(begin >= 0 && end > begin, `the page has the lines ${BEGIN} and ${END}`);
  return `${page.slice(0, begin)}${BEGIN}\n\n${sectionOf(recorded)}\n\n${page.slice(end)}`;
}

export function sectionOf({ measured, ...how }: Recorded): string {
  const evenings = EVENINGS.map((evening) => costOf(measured, evening));
  return [
    `Measured on ${how.date}, load average ${how.load} before it, ${how.machine}: ${figure(how.repeats)} volleys of ${figure(how.requests)} requests, ${figure(how.entries)} entries (\`bench/data/cost.json\`).`,
    onesOf(measured),
    capacities(measured, how.entries),
    assumptions(),
    evenings.length > 0 ? eveningsTable(evenings) : '',
    arithmetic(measured, evenings),
  ].join('\n\n');
}

const onesOf = ({ read, signIn, entry, result, sms }: Measured): string =>
  table(
    [
      'One',
      'Server, µs',
      'Redis, µs',
      'of it under tags that all share',
      'AOF, bytes',
      'Answer, bytes',
    ],
    [
      [
        'read of a calendar',
        figure(read.serverUs),
        figure(read.redisUs),
        '0',
        '0',
        figure(read.bytes),
      ],
      ...(
        [
          ['sign-in, three requests', signIn],
          ['entry', entry],
          ['look at a result', result],
          ['SMS sent', { ...sms, bytes: 0 }],
        ] as const
      ).map(([name, one]) => [
        name,
        figure(one.serverUs),
        figure(one.redisUs),
        figure(
          Object.entries(one.tags).reduce((sum, [tag, us]) => sum + (tag.length > 1 ? us : 0), 0),
        ),
        figure(one.aofBytes),
        one.bytes === 0 ? '' : figure(one.bytes),
      ]),
    ],
  );

function capacities(measured: Measured, entries: number): string {
  const of = capacityOf(measured);
  const { memory, draw } = measured;
  const both = ({ full, planned }: { full: number; planned: number }): Row => [
    figure(full),
    figure(planned),
  ];
  const perPerson = memory.bytesPerPerson + memory.bytesPerEntry;
  return [
    table(
      ['A second', 'at full load', 'planned'],
      [
        ['entries of a core of servers', ...both(of.entriesPerCore)],
        ['entries of a Redis shard, its people on it', ...both(of.entriesPerShard)],
        ['entries of one release, on one shard', ...both(of.entriesPerRelease)],
        ['sign-ins of a core of servers', ...both(of.signInsPerCore)],
        ['sign-ins of a Redis shard', ...both(of.signInsPerShard)],
        ['looks at results of a core of servers', ...both(of.resultsPerCore)],
        ['looks at results of a Redis shard', ...both(of.resultsPerShard)],
      ],
    ),
    `A million people and their entries take ${bytes(perPerson * MILLION)} of Redis (${figure(memory.bytesPerPerson)} bytes a person, ${figure(memory.bytesPerEntry)} an entry). A draw takes ${figure(draw.usPerEntry)} µs an entry, at ${figure(entries)} entries. ` +
      `A shard that has one release to itself takes ${figure(largestReleaseOf(measured, HOUR_S))} people of it in an hour, ${figure(largestReleaseOf(measured, DAY_S))} in a day.`,
  ].join('\n\n');
}

const assumptions = (): string =>
  table(
    ['Assumed', 'Value', 'Unit', 'From'],
    Object.entries(ASSUMPTIONS).map(([name, { value, unit, source }]) => [
      `\`${name}\``,
      figure(value),
      unit,
      source,
    ]),
  );

const TAGS_NAMED = 3;

function eveningsTable(evenings: readonly Cost[]): string {
  const { load } = assumed();
  const row = (name: string, cell: (one: Cost) => string): Row => [name, ...evenings.map(cell)];
  return table(
    ['At the busiest second', ...EVENINGS.map(({ name }) => name)],
    [
      row('sign-ins', ({ rates }) => `${figure(rates.signIns)}/s`),
      row('**SMS, urgent**', ({ sms }) => `**${figure(sms.perMinute)}/min**`),
      row('SMS in all', ({ sms }) => figure(sms.total)),
      row('workers that send them', ({ sms }) => figure(sms.workers)),
      row(`shortest window of a gateway of ${figure(assumed().gatewayPerS)}/s`, ({ sms }) =>
        duration(sms.windowS),
      ),
      row('entries', ({ rates }) => `${figure(rates.entries)}/s`),
      row('reads', ({ rates }) => `${figure(rates.reads)}/s`),
      row('looks at results, after the draw', ({ rates }) => `${figure(rates.results)}/s`),
      row('cores of servers, planned, without a CDN', ({ servers }) => figure(servers.cores)),
      row('the same behind a CDN', ({ servers }) => figure(servers.coresBehindCdn)),
      row('Redis threads busy in the window', ({ redis }) => figure(redis.window)),
      row('the same while all look at results', ({ redis }) => figure(redis.results)),
      row('primaries, planned, if load were even', ({ redis }) => figure(redis.primaries)),
      row('of one thread, the largest release', ({ redis }) => figure(redis.largestRelease)),
      row(`tags that all share, above ${load} of one thread`, ({ redis }) => tooHot(redis, load)),
      row('Redis data', ({ memory }) => bytes(memory.data)),
      row('`maxmemory` of all primaries', ({ memory }) => bytes(memory.maxmemory)),
      row('memory of their hosts; as much for replicas', ({ memory }) => bytes(memory.hosts)),
      row('AOF', ({ aof }) => `${bytes(aof.perS)}/s`),
      row('AOF in all, before a rewrite', ({ aof }) => bytes(aof.total)),
      row('line, without a CDN', ({ network }) => bits(network.bitsPerS)),
      row('line behind a CDN', ({ network }) => bits(network.bitsPerSBehindCdn)),
      row('line while all look at results', ({ network }) => bits(network.resultsBitsPerS)),
      row('draw of the largest release', ({ draw }) => duration(draw.largestS)),
      row('all draws, of one core', ({ draw }) => duration(draw.allCoreS)),
    ],
  );
}

function tooHot({ shared }: Cost['redis'], load: number): string {
  const hot = shared.filter((one) => one.cores > load);
  if (hot.length === 0) return 'none';
  const named = hot
    .slice(0, TAGS_NAMED)
    .map(({ tag, cores }) => `\`${tag}\` ${figure(cores)}`)
    .join(', ');
  return hot.length > TAGS_NAMED ? `${named} and ${hot.length - TAGS_NAMED} more` : named;
}

/** The first column, step by step. */
function arithmetic(m: Measured, [one]: readonly Cost[]): string {
  if (!one) return '';
  const a = assumed();
  const { people, windowS, rates, servers, redis, memory } = one;
  const perS = (each: number, seconds: number, is: number): string =>
    `${figure(people)} × ${figure(each)} × ${figure(a.peakToMean)} / ${figure(seconds)} s = ${figure(is)}/s`;
  const perPerson = m.memory.bytesPerPerson + m.memory.bytesPerEntry;
  return [
    'The first column by hand; the others are the same lines with other numbers:',
    [
      `sign-ins, and as many OTPs: ${perS(a.otpsPerPerson, windowS, rates.signIns)}, × 60 = ${figure(one.sms.perMinute)} SMS a minute`,
      `entries: ${perS(a.entriesPerPerson, windowS, rates.entries)}`,
      `reads: ${perS(a.readsPerPerson, windowS, rates.reads)}`,
      `looks at results: ${perS(a.resultsPerPerson, a.resultWindowS, rates.results)}`,
      `cores of servers: (${figure(rates.reads)} × ${figure(m.read.serverUs)} + ${figure(rates.signIns)} × ${figure(m.signIn.serverUs)} + ${figure(rates.entries)} × ${figure(m.entry.serverUs)}) / 1,000,000 = ${figure(servers.window)} busy in the window, ${figure(rates.results)} × ${figure(m.result.serverUs)} / 1,000,000 = ${figure(servers.results)} after the draw; the larger / ${figure(a.load)}, rounded up: ${figure(servers.cores)}`,
      `Redis: (${figure(rates.reads)} × ${figure(m.read.redisUs)} + ${figure(rates.signIns)} × ${figure(m.signIn.redisUs)} + ${figure(rates.entries)} × ${figure(m.entry.redisUs)} + ${figure(rates.smsUrgent)} SMS × ${figure(m.sms.redisUs)}) / 1,000,000 = ${figure(redis.window)} threads in the window, ${figure(rates.results)} × ${figure(m.result.redisUs)} / 1,000,000 = ${figure(redis.results)} after the draw; the larger / ${figure(a.load)}, rounded up: ${figure(redis.primaries)}`,
      `memory: ${figure(people)} × ${figure(perPerson)} bytes = ${bytes(memory.data)}; × ${figure(a.memoryBeside)} as \`maxmemory\`, × ${figure(a.aofRewrite)} as memory of hosts`,
      `disk: ${figure(rates.signIns)} × ${figure(m.signIn.aofBytes)} + ${figure(rates.entries)} × ${figure(m.entry.aofBytes)} + ${figure(rates.smsUrgent)} SMS × ${figure(m.sms.aofBytes)} bytes = ${bytes(one.aof.perS)}/s, and as much to each replica`,
      `line: (${figure(rates.reads)} × ${figure(m.read.bytes)} + ${figure(rates.signIns)} × ${figure(m.signIn.bytes)} + ${figure(rates.entries)} × ${figure(m.entry.bytes)}) bytes × 8 = ${bits(one.network.bitsPerS)}; behind a CDN of the reads ${figure(100 * (1 - a.cacheHits))} % are left`,
      `SMS after the draw: ${figure(people)} / ${figure(a.peoplePerSeat)} × ${figure(a.smsPerWinner)} / ${figure(a.offersWithinS)} s = ${figure(one.sms.routinePerS)}/s`,
    ]
      .map((line) => `- ${line}`)
      .join('\n'),
  ].join('\n\n');
}
