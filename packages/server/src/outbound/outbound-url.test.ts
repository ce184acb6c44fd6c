import { expect, it } from 'vitest';
import { OutboundError } from './outbound-error.ts';
import { parseOutboundUrl } from './outbound-url.ts';

it.each([
  'https://mis.example.org',
  'https://mis.example.org/a%20b?x=%2F',
  'https://xn--mnchen-3ya.example/',
  'https://mis.example.org:1024/',
  'https://192.0.2.1/',
  'https://[2001:db8::1]:8443/',
])('takes %s', (url) => {
  expect(parseOutboundUrl(url, { allowHttp: false }).href).toBe(new URL(url).href);
});

it.each([22, 25, 53, 389, 445, 1023])('does not take the port %i', (port) => {
  expect(() => parseOutboundUrl(`https://mis.example.org:${port}/`, { allowHttp: true })).toThrow(/its port must be/);
});

it.each([
  ['a name that is too long', `https://${'a.'.repeat(130)}example/`],
  ['an empty label', 'https://mis..example.org/'],
  ['an underscore', 'https://_mis.example.org/'],
  ['a label that ends in a hyphen', 'https://mis-.example.org/'],
  ['a URL that is too long', `https://mis.example.org/${'a'.repeat(2_000)}`],
])('does not take %s', (_what, url) => {
  expect(() => parseOutboundUrl(url, { allowHttp: true })).toThrow(OutboundError);
});

it('takes http only where that is allowed', () => {
  expect(() => parseOutboundUrl('http://mis.example.org/', { allowHttp: false })).toThrow(/DCI_ALLOW_HTTP_CALLBACKS/);
  expect(parseOutboundUrl('http://mis.example.org/', { allowHttp: true }).protocol).toBe('http:');
});
