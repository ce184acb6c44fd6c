import { expect, it } from 'vitest';
import { findAddressFault } from './address-rule.ts';

it.each(['8.8.8.8', '1.1.1.1', '172.15.0.1', '172.32.0.1', '100.63.0.1', '2606:4700::1111', '2a00:1450::1'])('%s is called', (address) => {
  expect(findAddressFault(address, { allowPrivate: false })).toBeUndefined();
});

it.each([
  '127.0.0.1',
  '127.255.255.254',
  '10.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '::1',
  'fc00::1',
  'fd12:3456::1',
])('%s is called only where private addresses are', (address) => {
  expect(findAddressFault(address, { allowPrivate: false })).toBeTypeOf('string');
  expect(findAddressFault(address, { allowPrivate: true })).toBeUndefined();
});

it.each([
  ['unspecified', '0.0.0.0'],
  ['"this" network', '0.1.2.3'],
  ['link-local', '169.254.0.1'],
  ['metadata', '169.254.169.254'],
  ['metadata of Azure', '168.63.129.16'],
  ['metadata of Alibaba', '100.100.100.200'],
  ['metadata of Oracle', '192.0.0.192'],
  ['metadata of AWS, IPv6', 'fd00:ec2::254'],
  ['metadata of AWS, IPv6, in full', 'fd00:0ec2:0:0:0:0:0:254'],
  ['metadata of Google, IPv6', 'fd20:ce::254'],
  ['documentation', '192.0.2.1'],
  ['documentation', '198.51.100.1'],
  ['documentation', '203.0.113.1'],
  ['benchmarking', '198.18.0.1'],
  ['multicast', '224.0.0.1'],
  ['reserved', '240.0.0.1'],
  ['broadcast', '255.255.255.255'],
  ['6to4 relay', '192.88.99.1'],
  ['unspecified, IPv6', '::'],
  ['IPv4 compatible', '::8.8.8.8'],
  ['IPv4 mapped', '::ffff:8.8.8.8'],
  ['IPv4 mapped, private', '::ffff:10.0.0.1'],
  ['IPv4 translated', '::ffff:0:8.8.8.8'],
  ['NAT64', '64:ff9b::8.8.8.8'],
  ['NAT64, local', '64:ff9b:1::1'],
  ['6to4', '2002:0808:0808::1'],
  ['Teredo', '2001:0:808:808::1'],
  ['documentation, IPv6', '2001:db8::1'],
  ['documentation, IPv6', '3fff::1'],
  ['ORCHID', '2001:20::1'],
  ['benchmarking, IPv6', '2001:2::1'],
  ['discard', '100::1'],
  ['link-local, IPv6', 'fe80::1'],
  ['link-local with a zone', 'fe80::1%eth0'],
  ['unique local with a zone', 'fd12:3456::1%eth0'],
  ['site-local', 'fec0::1'],
  ['multicast, IPv6', 'ff02::1'],
  ['segment routing', '5f00::1'],
  ['unassigned', '4000::1'],
  ['a number', '2130706433'],
  ['octal', '0177.0.0.1'],
  ['short', '127.1'],
  ['a name', 'localhost'],
  ['nothing', ''],
])('%s (%s) is never called', (_what, address) => {
  for (const allowPrivate of [false, true]) expect(findAddressFault(address, { allowPrivate })).toBeTypeOf('string');
});
