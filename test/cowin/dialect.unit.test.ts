/** What a client of the surface is told where it can only wait. */
import { expect, test } from 'vitest';
import { COWIN } from '../../src/cowin/dialect.ts';
import { refuse } from '../../src/refusal.ts';

test.each(['SLOT_OVER', 'DOSE_NOT_DUE', 'COOLING_DOWN', 'SLOT_FULL'] as const)(
  '%s is a centre that is booked, so that nobody asks again at once',
  (code) => {
    const slot = 'c0-20990101-d1-0900';
    expect(COWIN.refusal(refuse(code, { extra: { slot } }))).toMatchObject({
      status: 409,
      body: { errorCode: 'APPOIN0040', fairslot: { code, slot } },
    });
  },
);
