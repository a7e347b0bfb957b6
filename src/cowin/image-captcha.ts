/**
 * The image captcha that clients of the surface expect: bound to the account, good for one request.
 * A program reads it in a millisecond. Nothing depends on its being hard: limits and the draw do
 * the work.
 */
import svgCaptcha from 'svg-captcha';
import { equalSecrets, type Secrets } from '../lib/secrets.ts';
import type { Redis } from '../redis/client.ts';
import { keys } from '../redis/keys.ts';
import { refuse, type Refusal } from '../refusal.ts';

export const IMAGE_CAPTCHA_LIMITS = {
  lifetimeMs: 300_000,
  characters: 5,
} as const;

const LOOK = { noise: 3, color: true, ignoreChars: '0oO1iIl' };

export type ImageCaptcha = ReturnType<typeof createImageCaptcha>;

/** `required`: whether a request needs one at all. */
export function createImageCaptcha(redis: Redis, secrets: Secrets, required: boolean) {
  const hashOf = (account: string, text: string): string =>
    secrets.pseudonym('image-captcha', `${account}|${text}`);
  const { lifetimeMs, characters } = IMAGE_CAPTCHA_LIMITS;
  return {
    /** Another one, in place of what the account was shown before: an SVG. */
    show: async (account: string): Promise<string> => {
      const { data, text } = svgCaptcha.create({ ...LOOK, size: characters });
      await redis.set(keys.imageCaptcha(account), hashOf(account, text), 'PX', lifetimeMs);
      return data;
    },

    /** Uses up the one that was shown, right or wrong. */
    check: async (account: string, text: string | undefined): Promise<Refusal | undefined> => {
      if (!required) return undefined;
      const held = text === undefined ? null : await redis.getdel(keys.imageCaptcha(account));
      const isRight = held !== null && equalSecrets(held, hashOf(account, (text ?? '').trim()));
      return isRight ? undefined : refuse('CAPTCHA_WRONG');
    },
  };
}
