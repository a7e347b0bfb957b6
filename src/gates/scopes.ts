/** What an operator key may do; a route's gates name the one that it needs. */
export const SCOPES = ['ops', 'import', 'attest', 'audit', 'vaccinator'] as const;
export type Scope = (typeof SCOPES)[number];
