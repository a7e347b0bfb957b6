/**
 * The CoWIN v2 surface (docs/cowin.md): the routes of India's vaccination portal over the services
 * that our own surface has. It keeps nothing of its own but what is shown for a second.
 */
import type { Config } from '../config.ts';
import type { Engine } from '../engine.ts';
import { createAccessTokens } from '../gates/access-tokens.ts';
import type { Route } from '../http/route.ts';
import type { Redis } from '../redis/client.ts';
import { accountRoutes } from './account-routes.ts';
import { appointmentRoutes } from './appointment-routes.ts';
import { createAppointments } from './appointments.ts';
import { createAsked } from './asked.ts';
import { createBeneficiaries } from './beneficiaries.ts';
import { createCatalogue } from './catalogue.ts';
import { createDiscovery } from './discovery.ts';
import { discoveryRoutes } from './discovery-routes.ts';
import { createImageCaptcha } from './image-captcha.ts';
import { createReferences } from './references.ts';
import { createScheduler } from './schedule.ts';

export function cowinRoutes(
  engine: Engine,
  redis: Redis,
  config: Pick<Config, 'accessTokenSecrets' | 'captcha'>,
): Route[] {
  const { secrets, people, releases, rounds, bookings, slips, stores } = engine;
  const catalogue = createCatalogue(releases);
  const asked = createAsked(rounds);
  const references = createReferences(stores.people, secrets);
  const captcha = createImageCaptcha(redis, secrets, config.captcha.driver !== 'none');
  const scheduler = createScheduler({ catalogue, references, captcha, rounds, bookings });
  const appointments = createAppointments({ releases, bookings, slips, places: scheduler.places });
  const contacts = stores.people;
  const beneficiaries = createBeneficiaries({ people, contacts, appointments, secrets });
  const issueToken = createAccessTokens(config.accessTokenSecrets).issue;
  return [
    ...discoveryRoutes({ discovery: createDiscovery(catalogue), asked }),
    ...accountRoutes({ people, beneficiaries, references, captcha, secrets, issueToken }),
    ...appointmentRoutes({ scheduler, appointments, references, asked }),
  ];
}
