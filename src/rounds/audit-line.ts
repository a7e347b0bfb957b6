/** Lines of a release's audit stream, as they are written and as they read. */
import { ENTRY_ID } from './draw/entry-table.ts';

/**
 * `<word> <entry id or release> [more]` of what Redis holds: most lines tell that somebody entered,
 * and are an entry id alone, which saves a fifth of their room (lua/rounds/enter.lua).
 */
export const auditLine = (held: string): string => (ENTRY_ID.test(held) ? `entered ${held}` : held);
