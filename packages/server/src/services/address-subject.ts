import { isIPv6 } from 'node:net';

/**
 * The name under which the requests of an address are counted: IPv4 addresses one by one (mapped into IPv6 or not), IPv6
 * by the /64 network, of which one host commands all addresses.
 */
export function addressSubject(address: string): string {
  if (!address.includes(':')) return `address:${address}`;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return `address:${mapped}`;
  if (!isIPv6(address)) return `address:${address}`;
  return `address:${expand(address).slice(0, 4).join(':')}::/64`;
}

function expand(address: string): string[] {
  const [front = '', back] = address.toLowerCase().split('%')[0]?.split('::') ?? [];
  const head = front === '' ? [] : front.split(':');
  const tail = back === undefined || back === '' ? [] : back.split(':');
  const gap = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => '0');
  return [...head, ...gap, ...tail].map((group) => group.replace(/^0+(?=.)/, ''));
}
