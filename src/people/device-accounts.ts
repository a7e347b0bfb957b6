/** Accounts that may ever sign in on one device; '' is no device, and counts nothing. */
import { refuse, type Refusal } from '../refusal.ts';
import type { SignInStore } from './sign-in-store.ts';

export type DeviceTerms = {
  /** That may ever sign in on one. */
  readonly accounts: number;
  /** For how long a device is remembered. */
  readonly lifetimeMs: number;
};

/** `terms`: undefined where devices are not counted. */
export function createDeviceAccounts(
  store: Pick<SignInStore, 'hasRoom' | 'useDevice'>,
  terms: DeviceTerms | undefined,
) {
  const answer = (admitted: boolean, limit: number): 'ADMITTED' | Refusal =>
    admitted ? 'ADMITTED' : refuse('TOO_MANY_ACCOUNTS', { extra: { limit } });
  return {
    /** Whether there is room for an account that has not proved itself yet. */
    findRoom: async (device: string, account: string): Promise<'ADMITTED' | Refusal> => {
      if (device === '' || !terms) return 'ADMITTED';
      return answer(await store.hasRoom(device, account, terms.accounts), terms.accounts);
    },

    /** Takes the room for an account that has, if there is any left. */
    useDevice: async (device: string, account: string): Promise<'ADMITTED' | Refusal> => {
      if (device === '' || !terms) return 'ADMITTED';
      const { accounts: limit, lifetimeMs } = terms;
      const reply = await store.useDevice(device, account, { limit, lifetimeMs });
      return answer(reply === 'ADMITTED', limit);
    },
  };
}
