/**
 * A product that is sold by many shops today: Vendure on Postgres, and buyers of one unit of stock.
 * It is GPL and stays out of our dependencies: `npm ci` in bench/peers/vendure, when it is asked for.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import type { Progress } from '../../src/progress.ts';
import { assert, present } from '../../src/lib/assert.ts';
import { monotonicMs } from '../../src/lib/clock.ts';
import { percentilesOf, rounded } from '../support/numbers.ts';
import { DATABASE, type Postgres } from '../support/postgres.ts';
import { startServer } from '../support/processes.ts';

const HOME = fileURLToPath(new URL('vendure', import.meta.url));
/** npm writes it when an installation is complete. */
const INSTALLED = fileURLToPath(
  new URL('vendure/node_modules/.package-lock.json', import.meta.url),
);
/** All of it, installing included: a registry or a machine may be slow, and others wait. */
const ALL_WITHIN_MS = 110_000;
const ANSWER_WITHIN_MS = 60_000;
const POSTGRES_DATABASE = 'vendure';
const MS_PER_S = 1_000;
/** Until the compiler has seen enough of it: a fifth of the buyers, whose times do not count. */
const WARM_UP = 5;

export type VendureFigures = {
  readonly label: string;
  readonly buyers: number;
  /** One unit, everybody at once. */
  readonly stock: number;
  readonly sold: number;
  readonly oversold: number;
  /** With stock for all: of a purchase, from the first request to the paid order. */
  readonly purchasesPerS: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Purchases that failed though there was stock. */
  readonly failed: number;
};

const LABEL = 'Vendure 3.5.2 on Postgres (anonymous purchase of one unit)';

const run = promisify(execFile);

export async function measureVendure(
  postgres: Postgres,
  buyers: number,
  progress: Progress,
): Promise<VendureFigures> {
  const phase = progress('Vendure: install, populate, buy', 4);
  const signal = AbortSignal.timeout(ALL_WITHIN_MS);
  if (!existsSync(INSTALLED))
    await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: HOME, signal });
  phase.advance();
  await inDatabase(postgres, DATABASE.database, `CREATE DATABASE ${POSTGRES_DATABASE}`);
  const settings = {
    NODE_ENV: 'production',
    POSTGRES_SOCKET: postgres.socket,
    POSTGRES_USER: DATABASE.user,
    POSTGRES_DATABASE,
    DIRECTORY: postgres.socket,
    ENOUGH: String(2 * buyers),
  };
  await run(process.execPath, ['shop.mjs', 'populate'], {
    cwd: HOME,
    env: { ...process.env, ...settings },
    signal,
  });
  phase.advance();
  const shop = await startServer('bench/peers/vendure/shop.mjs', settings);
  try {
    const { url } = shop;
    await buyAll(url, 'enough', Math.ceil(buyers / WARM_UP), signal);
    const enough = await buyAll(url, 'enough', buyers, signal);
    phase.advance();
    await buyAll(url, 'one', buyers, signal);
    const late = await buyAll(url, 'one', 1, signal);
    assert(!late.purchases[0]?.isPaid, 'Vendure refuses who comes when all is sold');
    phase.advance();
    const sold = await soldOf(postgres, 'one');
    const { p50Ms, p99Ms } = percentilesOf(enough.purchases.map(({ ms }) => Math.round(ms)));
    const done = enough.purchases.filter(({ isPaid }) => isPaid).length;
    return {
      label: LABEL,
      buyers,
      stock: 1,
      sold,
      oversold: Math.max(0, sold - 1),
      purchasesPerS: rounded((done * MS_PER_S) / enough.tookMs, 1),
      p50Ms,
      p99Ms,
      failed: buyers - done,
    };
  } finally {
    phase.done();
    await shop.stop();
  }
}

async function inDatabase(
  { socket }: Postgres,
  database: string,
  text: string,
  values: readonly string[] = [],
): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ ...DATABASE, database, host: socket });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

/** Units in orders that are paid. */
async function soldOf(postgres: Postgres, sku: string): Promise<number> {
  const [row] = await inDatabase(
    postgres,
    POSTGRES_DATABASE,
    `SELECT coalesce(sum(line.quantity), 0)::int AS sold
     FROM order_line line
       JOIN "order" ON "order".id = line."orderId"
       JOIN product_variant variant ON variant.id = line."productVariantId"
     WHERE "order".state = 'PaymentSettled' AND variant.sku = $1`,
    [sku],
  );
  return Number(present(row, 'a count')['sold']);
}

type Purchase = { readonly isPaid: boolean; readonly ms: number };

/** All buy one unit at once. */
async function buyAll(url: string, slug: string, buyers: number, all: AbortSignal) {
  const ask = createBuyer(url, all);
  const found = await ask(
    'query ($slug: String!) { answer: product(slug: $slug) { variants { id } } }',
    {
      slug,
    },
  );
  const variant = (found['variants'] as { id: string }[])[0]?.id;
  const startedMs = monotonicMs();
  const purchases = await Promise.all(
    Array.from({ length: buyers }, async (_, number): Promise<Purchase> => {
      const startedMs = monotonicMs();
      const isPaid = await buy(createBuyer(url, all), present(variant, slug), `buyer-${number}`);
      return { isPaid, ms: monotonicMs() - startedMs };
    }),
  );
  return { purchases, tookMs: monotonicMs() - startedMs };
}

type Answer = Readonly<Record<string, unknown>>;
type Buyer = (document: string, variables: object) => Promise<Answer>;

/** An anonymous session of its own. Every operation is named `answer`. */
function createBuyer(url: string, all: AbortSignal): Buyer {
  let token = '';
  return async (query, variables) => {
    const response = await fetch(`${url}/shop-api`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.any([all, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
    });
    token = response.headers.get('vendure-auth-token') ?? token;
    const { data, errors } = (await response.json()) as {
      data?: { answer: Answer } | null;
      errors?: readonly { message: string }[];
    };
    return data?.answer ?? { errorCode: errors?.[0]?.message ?? 'NO_ANSWER' };
  };
}

const ORDER = '{ __typename ... on Order { state } ... on ErrorResult { errorCode } }';
const STEPS: readonly (readonly [document: string, variables: (name: string) => object])[] = [
  [
    `mutation ($input: CreateCustomerInput!) { answer: setCustomerForOrder(input: $input) ${ORDER} }`,
    (name) => ({
      input: { firstName: name, lastName: 'Doe', emailAddress: `${name}@example.org` },
    }),
  ],
  [
    `mutation ($input: CreateAddressInput!) { answer: setOrderShippingAddress(input: $input) ${ORDER} }`,
    (name) => ({
      input: { fullName: name, streetLine1: '1 Main Street', city: 'Pune', countryCode: 'IN' },
    }),
  ],
];
const ADD = `mutation ($id: ID!) { answer: addItemToOrder(productVariantId: $id, quantity: 1) ${ORDER} }`;
const METHODS = 'query { answer: eligibleShippingMethods { id } }';
const SHIP = `mutation ($ids: [ID!]!) { answer: setOrderShippingMethod(shippingMethodId: $ids) ${ORDER} }`;
const ARRANGE = `mutation { answer: transitionOrderToState(state: "ArrangingPayment") ${ORDER} }`;
const PAY = `mutation { answer: addPaymentToOrder(input: { method: "is-always-paid", metadata: {} }) ${ORDER} }`;

/** As a shop's page does it, one request after the other. Whether the order is paid in the end. */
async function buy(ask: Buyer, id: string, name: string): Promise<boolean> {
  const isRefused = (answer: Answer): boolean => answer['errorCode'] !== undefined;
  if (isRefused(await ask(ADD, { id }))) return false;
  for (const [document, variables] of STEPS)
    if (isRefused(await ask(document, variables(name)))) return false;
  const methods = (await ask(METHODS, {})) as unknown as readonly { id: string }[];
  const ids = [methods[0]?.id];
  if (isRefused(await ask(SHIP, { ids })) || isRefused(await ask(ARRANGE, {}))) return false;
  return (await ask(PAY, {}))['state'] === 'PaymentSettled';
}
