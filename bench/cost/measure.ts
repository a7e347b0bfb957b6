/** What one of each costs, measured on a Redis and a server process of their own. */
import type { Request } from 'autocannon';
import type { Progress } from '../../src/progress.ts';
import { present } from '../../src/lib/assert.ts';
import { createBreaker } from '../../src/lib/breaker.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { createLog } from '../../src/log.ts';
import { BREAKER, sendAll } from '../../src/notify/sender.ts';
import { createTexts } from '../../src/notify/texts.ts';
import { accountOf } from '../../src/people/sign-in.ts';
import { measureDiscovery } from '../discovery.ts';
import { measureDraw } from '../draw.ts';
import { measureMemory } from '../memory.ts';
import { drawFirst } from '../support/draw-first.ts';
import { type BenchEngine, settingsFor, unlimited, withEngine } from '../support/engine.ts';
import { exchange } from '../support/exchange.ts';
import { rounded, sum } from '../support/numbers.ts';
import { fire } from '../support/fire.ts';
import { bearersOf, createPasses } from '../support/passes.ts';
import { type ServerProcess, startServer } from '../support/processes.ts';
import { inBatches, openRelease, registerCitizens, RELEASE, wishesFor } from '../support/pune.ts';
import {
  createVisitors,
  SIGN_IN_SETTINGS,
  signInAll,
  takeOtps,
  type Visitor,
} from '../support/sign-ins.ts';
import {
  createMeter,
  createTagMeter,
  keepAof,
  type Meter,
  type Spending,
  spendingOf,
  type Spent,
} from '../support/spending.ts';
import type { Measured } from './model.ts';

export type MeasureOptions = {
  /** Of one volley. */
  readonly requests: number;
  /** Volleys that count. */
  readonly repeats: number;
  /** People whose memory is measured, and entries of the draw. */
  readonly entries: number;
};

const CONNECTIONS = 50;
const WARM_UP = 1;
/** As SIGN_IN_SETTINGS: everybody is counted, and nobody is over. */
const SETTINGS = {
  ...SIGN_IN_SETTINGS,
  ...unlimited(
    ...['READ', 'WRITE'].flatMap((limit) =>
      ['ADDRESS', 'NETWORK', 'ACCOUNT'].map((by) => `LIMIT_${limit}_PER_${by}`),
    ),
    'LIMIT_WRITE_PER_DEVICE',
  ),
};
const US_OF_MS = 1_000;

export async function measureAll(options: MeasureOptions, progress: Progress) {
  const { requests, repeats, entries } = options;
  const read = await measureDiscovery(
    { requests, repeats, connections: CONNECTIONS, only: 'gzip' },
    progress,
  );
  const signIn = await onServer((on) => signIns(on, options, progress));
  const { entry, result } = await onServer((on) => entriesAndResults(on, options, progress));
  const sms = await withEngine((bench) => smsSent(bench, options, progress));
  const { bytesPerEntry, registered } = await measureMemory({ entries }, progress);
  const drawn = await measureDraw({ entries }, progress);
  const measured: Measured = {
    read: {
      serverUs: read.gzip.cpuUs,
      redisUs: read.gzip.redisCpuUs,
      bytes: read.bytes.gzip,
    },
    signIn,
    entry,
    result,
    sms,
    memory: { bytesPerEntry, bytesPerPerson: registered.bytesPerPerson },
    draw: { usPerEntry: rounded((drawn.totalMs * US_OF_MS) / entries, 1) },
  };
  const errors = sum([read.gzip, signIn, entry, result, sms].map((one) => one.errors));
  return { measured, errors };
}

type On = { readonly bench: BenchEngine; readonly server: ServerProcess };

const onServer = <T>(use: (on: On) => Promise<T>): Promise<T> =>
  withEngine(async (bench) => {
    await keepAof(bench.redis);
    const server = await startServer('src/server.ts', {
      ...SETTINGS,
      ...settingsFor(bench),
    });
    try {
      return await use({ bench, server });
    } finally {
      await server.stop();
    }
  });

/**
 * Volleys to warm up, volleys whose CPU and bytes count, and one that says which tags Redis worked
 * for. `volley`: of that number, metered by what it is handed.
 */
async function metered(
  { bench, pid }: { readonly bench: BenchEngine; readonly pid: number },
  { requests, repeats }: MeasureOptions,
  volley: (number: number, meter: Meter) => Promise<void>,
  onVolley: () => void,
): Promise<Spending> {
  const volleys: Spent[] = [];
  for (let number = 0; number < WARM_UP + repeats; number++) {
    const meter = createMeter(bench, pid);
    await volley(number, meter);
    if (number >= WARM_UP) volleys.push(meter.spent());
    onVolley();
  }
  const tags = createTagMeter(bench.redis);
  await volley(WARM_UP + repeats, tags);
  onVolley();
  const spending = spendingOf(volleys, requests, tags.shares());
  return { ...spending, errors: spending.errors + tags.spent().errors };
}

const volleysOf = ({ repeats }: MeasureOptions): number => WARM_UP + repeats + 1;

async function signIns({ bench, server }: On, options: MeasureOptions, progress: Progress) {
  const { requests: count } = options;
  const phase = progress('signing people in', volleysOf(options));
  const spending = await metered(
    { bench, pid: server.pid },
    options,
    (number, meter) => signInAll(bench, server, { first: number * count, count }, meter),
    phase.advance,
  );
  phase.done();
  const visitor = await createVisitors(bench.engine)(volleysOf(options) * count);
  return { ...spending, bytes: await bytesOfSignIn(bench, server, visitor) };
}

/** Of all three answers. */
async function bytesOfSignIn(
  bench: BenchEngine,
  { url }: ServerProcess,
  { deviceToken, solution, mobile }: Visitor,
): Promise<number> {
  const headers = { 'content-type': 'application/json', 'device-token': deviceToken };
  const asked = await exchange(url, { path: '/v1/captcha?purpose=otp', headers });
  const sent = await exchange(url, {
    method: 'POST',
    path: '/v1/auth/otp',
    headers: { ...headers, 'captcha-solution': solution },
    body: JSON.stringify({ mobile }),
  });
  const { txnId } = JSON.parse(sent.body.toString()) as { txnId: string };
  const otp = (await takeOtps(bench)).get(mobile);
  const token = await exchange(url, {
    method: 'POST',
    path: '/v1/auth/token',
    headers,
    body: JSON.stringify({ txnId, otp }),
  });
  return asked.wireBytes + sent.wireBytes + token.wireBytes;
}

async function entriesAndResults(
  { bench, server }: On,
  options: MeasureOptions,
  progress: Progress,
) {
  const { engine } = bench;
  const { requests: count } = options;
  const all = count * volleysOf(options) + 1; // one for the bytes of an answer
  const published = await openRelease(engine, RELEASE, all);
  const citizens = await registerCitizens(engine, all, progress);
  const passes = await createPasses(engine.secrets, citizens, true);
  const bearers = await bearersOf(citizens, passes.device);
  const gates = await passes.headers();
  const wishes = wishesFor(published);
  const path = `/v1/releases/${RELEASE}/entry`;
  const headersOf = (index: number) => ({
    authorization: present(bearers[index], 'a token'),
    'device-token': present(gates[index]?.['device-token'], 'a device token'),
  });
  const put = (index: number): Request => ({
    method: 'PUT',
    path,
    headers: { 'content-type': 'application/json', ...headersOf(index), ...gates[index] },
    body: JSON.stringify({
      beneficiaries: [present(citizens[index], 'a citizen').person],
      preferences: wishes(index),
    }),
  });
  const look = (index: number): Request => ({ path, headers: headersOf(index) });

  const phase = progress('entering, and looking', 2 * volleysOf(options));
  const volleyOf = (one: (index: number) => Request) => (number: number, meter: Meter) => {
    const requests = Array.from({ length: count }, (_, index) => one(number * count + index));
    return meter.run(() => fire(server.url, CONNECTIONS, requests));
  };
  const on = { bench, pid: server.pid };
  const entry = await metered(on, options, volleyOf(put), phase.advance);
  const entered = await exchange(server.url, put(all - 1));
  await drawFirst(bench);
  const result = await metered(on, options, volleyOf(look), phase.advance);
  phase.done();
  const looked = await exchange(server.url, look(0));
  return {
    entry: { ...entry, bytes: entered.wireBytes },
    result: { ...result, bytes: looked.wireBytes },
  };
}

/** OTPs that wait, handed to a gateway that takes each at once; the CPU is of this process. */
async function smsSent(bench: BenchEngine, options: MeasureOptions, progress: Progress) {
  const { engine, redis } = bench;
  await keepAof(redis);
  const phase = progress('sending SMS', volleysOf(options));
  const spending = await metered(
    { bench, pid: process.pid },
    options,
    async (number, meter) => {
      await queueOtps(engine, number, options.requests);
      await meter.run(() => sendUntil(bench, options.requests));
    },
    phase.advance,
  );
  phase.done();
  return spending;
}

const queueOtps = ({ outbox, secrets }: BenchEngine['engine'], volley: number, count: number) =>
  inBatches(count, async (index) => {
    const mobile = `+9196${String(volley * count + index).padStart(8, '0')}`;
    const account = accountOf(secrets, mobile);
    const message = { template: 'otp', otp: '123456' } as const;
    const id = `otp:${volley}/${index}`;
    await outbox.send([{ id, account, mobile, language: 'en', message }]);
  });

/** SMS in hand at once, as by default. */
const CONCURRENCY = 32;

async function sendUntil({ engine }: BenchEngine, count: number): Promise<{ errors: number }> {
  const stopping = new AbortController();
  let [sent, other] = [0, 0];
  await sendAll(
    {
      store: engine.stores.outbox,
      secrets: engine.secrets,
      driver: async () => ({ outcome: 'sent' }),
      textOf: createTexts('Asia/Kolkata'),
      breaker: createBreaker(BREAKER, monotonicMs),
      concurrency: CONCURRENCY,
      log: createLog('silent'),
      onSms: (outcome) => {
        if (outcome === 'sent') sent += 1;
        else other += 1;
        if (sent + other >= count) stopping.abort();
      },
      onFault: () => undefined,
      onDropped: () => undefined,
    },
    'urgent',
    stopping.signal,
  );
  return { errors: other };
}
