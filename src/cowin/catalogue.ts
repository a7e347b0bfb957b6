/**
 * What every read of the surface is answered from: kept by the process, and looked at anew at most
 * once a second however many ask. While Redis is away, what was known last is what is shown.
 */
import { LRUCache } from 'lru-cache';
import { nowMs } from '../lib/clock.ts';
import { present } from '../lib/assert.ts';
import { createFresh } from '../lib/fresh.ts';
import { isRefusal } from '../refusal.ts';
import type { ReleaseService } from '../releases/service.ts';
import { type Availability, availabilityOf } from './availability.ts';
import { type Atlas, atlasOf, placesOf, type ReleasePlaces } from './places.ts';

export const CATALOGUE_LIMITS = {
  /** What is shown may be older than the truth by this. */
  freshForMs: 1_000,
  /** Where Redis is slower than this, what was known before is shown. */
  patienceMs: 250,
  /** A release that opened longer ago is shown no more. */
  releaseAgeMs: 120 * 86_400_000,
  releases: 2_000,
} as const;

export type Catalogue = {
  readonly atlas: () => Promise<Atlas>;
  readonly availability: (part: ReleasePlaces) => Promise<Availability>;
  /** When the next round of a lottery is due. */
  readonly nextRoundAtMs: (part: ReleasePlaces) => Promise<number>;
};

type Known = { readonly availability: Availability; readonly nextRoundAtMs: number };

export function createCatalogue(
  releases: Pick<ReleaseService, 'openingAfter' | 'published' | 'read' | 'free' | 'closedSlots'>,
): Catalogue {
  const parts = new LRUCache<string, ReleasePlaces>({ max: CATALOGUE_LIMITS.releases });
  let last: { readonly names: string; readonly atlas: Atlas } | undefined;

  const placesIn = async (release: string): Promise<ReleasePlaces[]> => {
    const known = parts.get(release);
    if (known) return [known];
    const found = await releases.published(release);
    if (isRefusal(found)) return []; // listed, about to be published
    const part = placesOf(found);
    parts.set(release, part);
    return [part];
  };

  const readAtlas = async (): Promise<Atlas> => {
    const now = nowMs();
    const ids = await releases.openingAfter(now - CATALOGUE_LIMITS.releaseAgeMs);
    const latest = ids.slice(-CATALOGUE_LIMITS.releases);
    const shown = (await Promise.all(latest.map(placesIn)))
      .flat()
      .filter(({ published }) => published.lastDayEndsAtMs > now);
    const names = shown.map(({ release }) => release).join();
    if (last?.names !== names) last = { names, atlas: atlasOf(shown) };
    return last.atlas;
  };

  const read = async (release: string, before: Known | undefined): Promise<Known> => {
    const { published } = present(parts.get(release), release);
    const { manifest } = published;
    const [read, free, closed] = await Promise.all([
      releases.read(release),
      manifest.mode === 'immediate' ? releases.free(manifest) : undefined,
      releases.closedSlots(release),
    ]);
    const reading = present(read, `state of ${release}`);
    const shown = before?.availability;
    const availability = availabilityOf(published, reading, free, closed, shown);
    return { availability, nextRoundAtMs: reading.nextRoundAtMs };
  };

  const { freshForMs, patienceMs, releases: most } = CATALOGUE_LIMITS;
  const atlas = createFresh({ freshForMs, patienceMs, most: 1 }, readAtlas);
  const known = createFresh<Known>({ freshForMs, patienceMs, most }, read);
  return {
    atlas: () => atlas('atlas'),
    availability: async ({ release }) => (await known(release)).availability,
    nextRoundAtMs: async ({ release }) => (await known(release)).nextRoundAtMs,
  };
}
