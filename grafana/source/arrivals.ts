/** The day of the sessions. */
import { dashboard, series } from './panels.ts';
import { orZero, perSecond, perStep } from './queries.ts';

const aMinute = (expression: string): string => `60 * ${expression}`;

export const arrivals = dashboard(
  {
    uid: 'fairslot-arrivals',
    title: 'Arrivals',
    description: 'The day of the sessions: who comes, what they get, and who did not come.',
  },
  [
    series(
      'Who arrives, a minute?',
      {
        about:
          'Arrivals that centres recorded or tried to, by what came of it. Wrong codes beyond one in fifty are guessing: "audit --of centres" says whose key.',
        unit: 'none',
      },
      ['{{outcome}}', aMinute(perSecond('fairslot_arrivals_arrivals_total', 'outcome'))],
    ),
    series('Doses a minute', { about: 'By vaccine. Each follows an arrival.', unit: 'none' }, [
      '{{vaccine}}',
      aMinute(perSecond('fairslot_arrivals_doses_total', 'vaccine')),
    ]),
    series(
      'Who did not come?',
      {
        about: 'Bookings whose day ended without an arrival: they come in the night.',
        unit: 'none',
      },
      ['no-shows', orZero(perStep('fairslot_arrivals_no_shows_total'))],
    ),
    series(
      'Who is told of their next dose?',
      { about: 'Next doses that were due, by whether somebody was told.', unit: 'none' },
      ['{{outcome}}', orZero(perStep('fairslot_arrivals_reminders_total', 'outcome'))],
    ),
  ],
);
