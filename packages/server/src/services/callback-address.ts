import { DciError } from '@dci/protocol';
import { createUrlAllowance } from '../outbound/url-allowance.ts';
import type { Partner } from '../store/partners.ts';

/** Whether this partner may be called there: at its registered address, or below one of its registered prefixes. */
export function mayCallAt(partner: Pick<Partner, 'notifyUri' | 'callbackPrefixes'>, url: string): boolean {
  return url === partner.notifyUri || createUrlAllowance(partner.callbackPrefixes).allows(url);
}

/**
 * Where the answer to a message goes: to the address that it names, else to the registered one, else nowhere (then it waits
 * to be asked for). Throws `err.sender_uri.invalid` where the named address is not registered for the partner.
 */
export function chooseCallback(
  partner: Pick<Partner, 'notifyUri' | 'callbackPrefixes'>,
  senderUri: string | undefined,
): string | undefined {
  if (senderUri === undefined) return partner.notifyUri;
  if (mayCallAt(partner, senderUri)) return senderUri;
  throw new DciError(
    'err.sender_uri.invalid',
    'sender_uri is not below an address that is registered for you; ask the operator of this registry to register it',
    { pointer: '/header/sender_uri' },
  );
}
