/** Keys that are bound to centres, over HTTP: those of another one do nothing here. */
import { expect, test } from 'vitest';
import { operatorKeyring } from '../../src/gates/operator-keys.ts';
import { serveApi } from '../support/api.ts';
import { useRedis } from '../support/redis.ts';
import { BATCH, bookSomebody, HERE, openToday } from './day.ts';

const used = useRedis();

test('a key of another centre neither receives anybody nor records a dose', async () => {
  const api = await serveApi(used.redis, undefined, { TIME_ZONE: HERE });
  const keyring = operatorKeyring(used.redis);
  const keyOf = async (centre: string): Promise<string> => {
    const made = await keyring.create(`of-${centre}`, ['vaccinator'], [centre]);
    return typeof made === 'string' ? made : made.key;
  };
  const [here, elsewhere] = [await keyOf('c0'), await keyOf('c1')];
  const release = await openToday(api.engine, used.redis);
  const { booking, code, person: beneficiary } = await bookSomebody(api.engine, release);
  const arrival = { booking, securityCode: code };
  const dose = { booking, beneficiary, vaccine: 'COVISHIELD', batch: BATCH };
  const ask = async (token: string, path: string, body: object) =>
    (await api.call('POST', path, { token, body })).json;

  expect(await ask(elsewhere, '/v1/arrivals', arrival)).toMatchObject({
    code: 'ARRIVAL_CODE_WRONG',
  });
  expect(await ask(here, '/v1/arrivals', arrival)).toMatchObject({ centre: 'c0' });
  expect(await ask(elsewhere, '/v1/doses', dose)).toMatchObject({ code: 'ARRIVAL_MISSING' });
  expect(await ask(here, '/v1/doses', dose)).toMatchObject({ dose: 1 });
  await api.close();
});
