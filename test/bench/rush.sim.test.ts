/** The evenings of the bench on a deployment, as small as they can be. */
import { describe, expect, it } from 'vitest';
import { rush } from '../../bench/rush.ts';
import { soak } from '../../bench/soak.ts';
import { takingPart } from '../../bench/support/play.ts';
import type { AnyScenario, Outcome } from '../../bench/support/scenario.ts';
import { startEngine } from '../../src/demo/engine.ts';
import { EVENING_SETTINGS } from '../../src/demo/play.ts';
import { present } from '../../src/lib/assert.ts';

const silent = () => ({ advance: () => undefined, done: () => undefined });

/** On a deployment with these settings. */
async function onTarget(
  scenario: AnyScenario,
  settings: Readonly<Record<string, string>>,
): Promise<Outcome> {
  const engine = await startEngine({ ...EVENING_SETTINGS, ...settings });
  try {
    const [part] = takingPart([scenario], { quick: true, target: engine });
    const play = present(scenario.onTarget, 'it can be played on a deployment');
    return await play(engine, present(part, 'it takes part').options as never, silent);
  } finally {
    await engine.stop();
  }
}

describe.concurrent('the bench', () => {
  it('soaks a deployment that may be played on', async () => {
    const outcome = await onTarget(soak, { TRUSTED_PROXIES: 'loopback' });
    expect(outcome.errors).toBe(0);
    expect(outcome.figures).not.toHaveProperty('growth');
  });

  it('signs nobody in where the operator key is no key there', async () => {
    const key = { FAIRSLOT_OPERATOR_KEY: 'another operator key, of more than 32 characters' };
    await expect(onTarget(soak, { TRUSTED_PROXIES: 'loopback', ...key })).rejects.toThrow(
      /no release for this operator key: 401 OPERATOR_KEY_INVALID/,
    );
  });

  it.each([
    ['keeps no SMS', { SMS_DRIVER: 'console', TRUSTED_PROXIES: 'loopback' }, /keeps no SMS/],
    ['takes all for one', {}, /X-Forwarded-For/],
  ])('plays no rush on one that %s', async (_which, settings, message) => {
    await expect(onTarget(rush, settings)).rejects.toThrow(message);
  });
});
