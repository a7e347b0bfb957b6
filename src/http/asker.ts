/**
 * Who asks: the caller by access token or operator key, then their device. By signatures; Redis is
 * asked for nothing but the list of operator keys, now and then, and the count of wrong ones.
 */
import type { Caller, Identify } from '../gates/callers.ts';
import type { Recognise } from '../gates/devices.ts';
import type { Who } from '../gates/limits.ts';
import type { Revocations } from '../gates/revocations.ts';
import { isRefusal, type Refusal, refuse } from '../refusal.ts';
import type { Passage } from './passage.ts';
import { mayHaveDevice } from './route.ts';

export type AskerParts = {
  readonly identify: Identify;
  readonly recognise: Recognise;
  readonly revocations: Pick<Revocations, 'lately'>;
};

export type Asker = {
  readonly caller: Caller;
  readonly who: Who;
  /** That the access token stands, as far as Redis has said lately; else it is to be asked. */
  readonly stands: boolean;
};

export const createWhoAsks =
  ({ identify, recognise, revocations }: AskerParts) =>
  async ({ request, served, heard }: Passage): Promise<Asker | Refusal> => {
    const { gates } = served.route;
    const caller = await identify(gates.caller, request.header('authorization'), request.address);
    if (isRefusal(caller)) return caller;
    const token = mayHaveDevice(gates) ? request.header('device-token') : undefined;
    const device = await recognise(gates.device ?? false, token, caller.grant?.device ?? '');
    if (isRefusal(device)) return device;

    const { account, grant, operator } = caller;
    const who = { address: request.address, account, device };
    const stood = grant ? revocations.lately(grant) : true;
    const known = stood ? who : { ...who, account: '' };
    heard.who = operator ? undefined : known;
    if (stood === false) return refuse('ACCESS_TOKEN_REVOKED');
    return { caller, who, stands: stood ?? false };
  };
