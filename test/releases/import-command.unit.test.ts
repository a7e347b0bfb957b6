/** What `release import` sends, and what it does not send without. */
import { expect, it } from 'vitest';
import { importRequest } from '../../src/releases/import-command.ts';

const REPLY = '{"centers": []}';

it.each([{}, { stateId: '21' }, { districtId: '363' }])(
  'a saved reply is not sent with %j alone: it does not say where it is of',
  (options) => {
    expect(importRequest('pune', 'pune.json', REPLY, options)).toEqual({
      problem: expect.stringContaining('--state-id and --district-id'),
    });
  },
);

it('a saved reply is sent with its state and district, and a CSV without', () => {
  const where = { stateId: '21', districtId: '363' };
  expect(importRequest('pune', 'pune.json', REPLY, where)).toMatchObject({
    path: '/v1/admin/releases/pune/calendar?stateId=21&districtId=363',
  });
  expect(importRequest('pune', 'pune.csv', 'centre_id', {})).toMatchObject({ type: 'text/csv' });
});
