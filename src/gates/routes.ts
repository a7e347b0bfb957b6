/** What a client asks the gates themselves for: something to solve, and a device token. */
import { z } from 'zod';
import { route, type Route } from '../http/route.ts';
import { isoFromMs } from '../lib/clock.ts';
import { refuse } from '../refusal.ts';
import { ReleaseId } from '../releases/manifest.ts';
import type { Captcha } from './captcha/captcha.ts';
import type { DeviceTokens } from './devices.ts';

type Parts = {
  readonly captcha: Captcha;
  readonly devices: DeviceTokens;
  readonly devicesRequired: boolean;
};

const Purpose = z
  .union([
    z.enum(['device', 'otp']),
    z
      .string()
      .max(50)
      .regex(/^(?:enter|book):/)
      .refine((text) => ReleaseId.safeParse(text.slice(text.indexOf(':') + 1)).success, {
        message: 'enter or book, a colon and a release',
      }),
  ])
  .meta({
    description: '`device`, `otp`, `enter:<release>` or `book:<release>`.',
    example: 'enter:pune-2021-04-10',
  });

const asked = { ticket: z.string(), expiresInS: z.int() };
const Challenge = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('none') }),
    z.object({
      kind: z.literal('altcha'),
      ...asked,
      challenge: z.looseObject({}).meta({ description: 'What the ALTCHA widget takes.' }),
      tries: z.int().meta({ description: 'The most keys that need be tried; half on average.' }),
    }),
    z.object({
      kind: z.enum(['hcaptcha', 'turnstile']),
      ...asked,
      siteKey: z.string(),
      cData: z.string().optional().meta({ description: 'Turnstile: give it to the widget.' }),
    }),
  ])
  .meta({
    id: 'Captcha',
    description: 'Send `Captcha-Solution: <ticket> <what the widget gave>`, once.',
  });

export const gateRoutes = ({ captcha, devices, devicesRequired }: Parts): Route[] => [
  route({
    method: 'get',
    path: '/v1/captcha',
    name: 'askCaptcha',
    hot: true,
    slice: 'gates',
    summary: 'What is to be solved for one request, by whoever is asking',
    gates: { limit: 'captcha', caller: 'either' },
    query: z.strictObject({ purpose: Purpose }),
    answers: { 200: Challenge },
    errors: [],
    handler: async ({ query: { purpose }, address, account, device }, _ahead, share) => {
      const needsAccount = purpose.includes(':');
      if (needsAccount && account === '') return refuse('ACCESS_TOKEN_MISSING');
      // Or what is solved would be worth nothing where it is needed.
      if (devicesRequired && purpose !== 'device' && device === '')
        return refuse('DEVICE_TOKEN_MISSING');
      // With a device the address is not counted, so that each one minted would be asked for at
      // the least: whoever has one already pays all there is for another.
      const price = purpose === 'device' && device !== '' ? 1 : share;
      const body = await captcha.challenge(purpose, { address, account, device }, price);
      return { status: 200, body };
    },
  }),
  route({
    method: 'post',
    path: '/v1/devices',
    name: 'mintDevice',
    hot: true,
    slice: 'gates',
    summary: 'A device token, for one solved captcha',
    gates: { limit: 'device', caller: 'anyone', captcha: 'device' },
    answers: {
      201: z.object({ deviceToken: z.string(), deviceId: z.string(), expiresAt: z.iso.datetime() }),
    },
    errors: [],
    handler: async () => {
      const { deviceToken, device, expiresAtMs } = await devices.mint();
      const body = { deviceToken, deviceId: device, expiresAt: isoFromMs(expiresAtMs) };
      return { status: 201, body };
    },
  }),
];
