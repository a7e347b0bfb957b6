/**
 * What an appointment slip costs, made on this thread and on one of its own, and for how long the
 * event loop answers nobody meanwhile.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { SlipFacts } from '../src/bookings/slip/facts.ts';
import { createSlipPress } from '../src/bookings/slip/press.ts';
import { createSlipPrinter, type SlipPress } from '../src/bookings/slip/printer.ts';
import type { Progress } from '../src/progress.ts';
import { monotonicMs } from '../src/lib/clock.ts';
import { median, percentile, rounded as roundedTo } from './support/numbers.ts';
import { amount } from './support/options.ts';
import type { Scenario } from './support/scenario.ts';

export type SlipOptions = {
  /** Slips that count, of each kind. */
  readonly slips: number;
};

const WARM_UP = 30;
const NS_PER_MS = 1_000_000;
const US_PER_MS = 1_000;
/** Beyond it, whoever waits for another answer of the same process notices. */
const GOAL_LOOP_MS = 20;

const one: SlipFacts = {
  title: 'Pune, 10 April',
  people: [{ name: 'Asha Kale', birthYear: 1960, idType: 'Passport', idMasked: 'XXXX9999' }],
  service: 'COVISHIELD',
  dose: 1,
  centre: 'Kamla Nehru Hospital',
  place: [],
  date: '2021-04-10',
  from: '09:00',
  to: '11:00',
  bookingId: 'pune-2021-04-10.q1Z8Yp0r7hQ2mJcT5wLxEg.0',
  securityCode: '0417',
};

const NAMES = ['आशा ज्ञानेश्वर काळे', 'রবীন্দ্রনাথ চট্টোপাধ্যায়', 'विद्यार्थी दर्‍याखोरे', 'Maria Fernandes'];
const four: SlipFacts = {
  ...one,
  title: 'पुणे, दुसरा डोस, १० एप्रिल',
  people: NAMES.map((name) => ({
    name,
    birthYear: 1960,
    idType: 'Voter ID',
    idMasked: 'XXXX9999',
    reference: '98765432101234',
  })),
  centre: 'कमला नेहरू रुग्णालय',
  place: ['Mangalwar Peth, near the railway', 'Pune City', 'Pune', 'Maharashtra', '411011'],
};

async function measure({ slips }: SlipOptions, progress: Progress) {
  const phase = progress('making slips', 4 * slips);
  const figures = async (print: SlipPress, facts: SlipFacts) => {
    for (let n = 0; n < WARM_UP; n++) await print(facts);
    const loop = monitorEventLoopDelay({ resolution: 1 });
    const times: number[] = [];
    let bytes = 0;
    const cpu = process.cpuUsage();
    loop.enable();
    for (let n = 0; n < slips; n++) {
      const startedMs = monotonicMs();
      bytes = (await print(facts)).length;
      times.push(monotonicMs() - startedMs);
      phase.advance();
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    loop.disable();
    const { user, system } = process.cpuUsage(cpu);
    return {
      medianMs: rounded(median(times)),
      p99Ms: rounded(percentile(times, 99)),
      loopMedianMs: rounded(loop.percentile(50) / NS_PER_MS),
      /** Of all threads, which a busy machine changes less than times. */
      cpuMs: rounded((user + system) / US_PER_MS / slips),
      bytes,
    };
  };
  const both = async (print: SlipPress) => ({
    one: await figures(print, one),
    four: await figures(print, four),
  });
  const thisThread = await both(createSlipPrinter());
  const ownThread = await both(createSlipPress());
  phase.done();
  return { thisThread, ownThread };
}

const rounded = (ms: number): number => roundedTo(ms, 1);

export const slip: Scenario<SlipOptions> = {
  name: 'slip',
  summary: 'what an appointment slip costs, on the thread of the server and on its own',
  options: [amount('slips', 'slips that count, of each kind', 200)],
  inAll: { mostS: 25, options: { slips: 100 } },
  quick: { slips: 5 },
  run: async (options, progress) => {
    const figures = await measure(options, progress);
    const { thisThread, ownThread } = figures;
    const ways = [thisThread.one, thisThread.four, ownThread.one, ownThread.four];
    return {
      figures,
      goals: [
        {
          name: 'event loop late while slips of four names are made, median',
          figure: ownThread.four.loopMedianMs,
          unit: 'ms',
          atMost: GOAL_LOOP_MS,
        },
      ],
      charts: [
        {
          title: 'An appointment slip',
          description: 'What it takes, and how late the event loop is meanwhile.',
          kind: 'bars',
          x: {
            label: '',
            categories: ['one name', 'four', 'one, own thread', 'four, own thread'],
          },
          y: { label: 'milliseconds' },
          series: [
            { name: 'median', points: ways.map(({ medianMs }, place) => [place, medianMs]) },
            { name: 'CPU', points: ways.map(({ cpuMs }, place) => [place, cpuMs]) },
            {
              name: 'event loop late',
              points: ways.map(({ loopMedianMs }, place) => [place, loopMedianMs]),
            },
          ],
        },
      ],
      errors: 0,
    };
  },
};
