/** Settings for engines whose requests all come from one address, more often than people ask. */
import { countedBy, LIMIT_NAMES, limitSetting } from '../../src/gates/limit-table.ts';

/** Every limit so high that no test reaches it. */
export const UNLIMITED: Readonly<Record<string, string>> = Object.fromEntries(
  LIMIT_NAMES.flatMap((limit) =>
    countedBy(limit).map(([by]) => [limitSetting(limit, by), '1000000']),
  ),
);
