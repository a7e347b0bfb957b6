/** Where your copy of docs/operations.md is served: every alert names a part of it. */
export const RUNBOOK_URL = 'https://fairslot.example/docs/operations.md';
