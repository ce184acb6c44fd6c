import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export interface AddressRules {
  /** Also addresses of private networks, carrier-grade NAT and this machine. */
  readonly allowPrivate: boolean;
}

const PRIVATE_RANGES: ReadonlySet<string> = new Set(['private', 'loopback', 'carrierGradeNat', 'uniqueLocal']);

/**
 * Where clouds hand credentials to whoever asks from inside, outside of the link-local range: never called, whatever is
 * allowed. (Azure's is a public address, Alibaba's is in carrier-grade NAT, AWS's and Google's IPv6 ones are unique local.)
 */
const METADATA_SERVICES: ReadonlySet<string> = new Set(['168.63.129.16', '100.100.100.200', 'fd00:ec2::254', 'fd20:ce::254']);

const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Why an address is not called; undefined where it is. Only global unicast addresses are, and private ones where that is
 * allowed. What carries an IPv4 address within an IPv6 one (mapped, NAT64, 6to4, Teredo) is refused whatever it carries,
 * and so are link-local addresses, where the metadata services of clouds live.
 */
export function findAddressFault(text: string, { allowPrivate }: AddressRules): string | undefined {
  if (isIP(text) === 0 || text.includes('%')) return 'no plain address';
  const address = ipaddr.parse(text);
  if (METADATA_SERVICES.has(address.toString())) return 'the metadata service of a cloud';
  const range = address.range();
  if (allowPrivate && PRIVATE_RANGES.has(range)) return undefined;
  if (range !== 'unicast') return range;
  return address instanceof ipaddr.IPv6 && !address.match(GLOBAL_UNICAST) ? 'not global' : undefined;
}
