/**
 * A Vendure shop with two goods: one unit of one, enough of the other. `node shop.mjs populate` makes
 * its database, `node shop.mjs` serves it and says where. Vendure as it comes, but for three things:
 * a payment that always succeeds, passwords hashed by Node instead of a native package, no log.
 * JavaScript, since Vendure's types are there only once it is installed.
 */
import 'reflect-metadata';
import { randomBytes, scryptSync, timingSafeEqual } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  bootstrap,
  DefaultLogger,
  LanguageCode,
  LogLevel,
  PaymentMethodHandler,
} from '@vendure/core';
import { populate } from '@vendure/core/cli/index.js';

const { POSTGRES_SOCKET, POSTGRES_USER, POSTGRES_DATABASE, ENOUGH, DIRECTORY = '.' } = process.env;
const HASH_BYTES = 32;

const paid = new PaymentMethodHandler({
  code: 'paid',
  description: [{ languageCode: LanguageCode.en, value: 'Is always paid' }],
  args: {},
  createPayment: (_context, _order, amount) => ({ amount, state: 'Settled' }),
  settlePayment: () => ({ success: true }),
});

const hashed = (password, salt) => scryptSync(password, salt, HASH_BYTES).toString('hex');
const passwordHashingStrategy = {
  hash: async (password) => {
    const salt = randomBytes(16).toString('hex');
    return `${salt}.${hashed(password, salt)}`;
  },
  check: async (password, stored) => {
    const [salt, hash] = stored.split('.');
    return timingSafeEqual(Buffer.from(hash), Buffer.from(hashed(password, salt)));
  },
};

const config = (synchronize) => ({
  apiOptions: {
    hostname: '127.0.0.1',
    port: 0,
    shopApiPath: 'shop-api',
    adminApiPath: 'admin-api',
  },
  authOptions: { tokenMethod: 'bearer', passwordHashingStrategy },
  dbConnectionOptions: {
    type: 'postgres',
    host: POSTGRES_SOCKET,
    username: POSTGRES_USER,
    database: POSTGRES_DATABASE,
    synchronize,
    logging: false,
  },
  paymentOptions: { paymentMethodHandlers: [paid] },
  customFields: {},
  plugins: [],
  logger: new DefaultLogger({ level: LogLevel.Error, timestamp: false }),
});

const INITIAL = {
  defaultLanguage: LanguageCode.en,
  defaultZone: 'Asia',
  countries: [{ name: 'India', code: 'IN', zone: 'Asia' }],
  taxRates: [{ name: 'Standard Tax', percentage: 0 }],
  shippingMethods: [{ name: 'By hand', price: 0 }],
  paymentMethods: [{ name: 'Is always paid', handler: { code: 'paid', arguments: [] } }],
  collections: [],
};
const HEAD =
  'name,slug,description,assets,facets,optionGroups,optionValues,sku,price,taxCategory,stockOnHand,trackInventory,variantAssets,variantFacets';
const line = (sku, stock) => `${sku},${sku},,,,,,${sku},1.00,standard,${stock},true,,`;

if (process.argv[2] === 'populate') {
  const file = join(DIRECTORY, 'goods.csv');
  writeFileSync(file, [HEAD, line('one', 1), line('enough', ENOUGH), ''].join('\n'));
  const app = await populate(() => bootstrap(config(true)), INITIAL, file);
  await app.close();
  process.exit(0);
}
const app = await bootstrap(config(false));
const { port } = app.getHttpServer().address();
process.stdout.write(`{"listening":"http://127.0.0.1:${port}"}\n`);
process.once('SIGTERM', () => void app.close().then(() => process.exit(0)));
