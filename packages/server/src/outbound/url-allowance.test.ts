import { describe, expect, it } from 'vitest';
import { OutboundError } from './outbound-error.ts';
import { createUrlAllowance, parseUrlPrefix } from './url-allowance.ts';

const prefixes = ['https://mis.example.org/dci', 'https://hooks.example.org:8443/', 'https://folder.example.org/in/'];
const allowance = createUrlAllowance(prefixes);

describe('what is registered', () => {
  it.each([
    'https://mis.example.org/dci',
    'https://mis.example.org/dci/',
    'https://mis.example.org/dci/on-search?page=2',
    'https://MIS.example.org:443/dci/on-search',
    'https://hooks.example.org:8443',
    'https://hooks.example.org:8443/anything',
    'https://folder.example.org/in/a%20b',
  ])('allows %s', (url) => {
    expect(allowance.allows(url)).toBe(true);
  });

  it.each([
    ['a longer last segment', 'https://mis.example.org/dci-evil'],
    ['another path', 'https://mis.example.org/'],
    ['another case in the path', 'https://mis.example.org/DCI'],
    ['the folder without its slash', 'https://folder.example.org/in'],
    ['another scheme', 'http://mis.example.org/dci'],
    ['another port', 'https://mis.example.org:8443/dci'],
    ['the default port in place of a registered one', 'https://hooks.example.org/'],
    ['a longer host', 'https://mis.example.org.evil.example/dci'],
    ['a subdomain', 'https://a.mis.example.org/dci'],
    ['a host that only ends so', 'https://evilmis.example.org/dci'],
    ['a dot at the end of the host', 'https://mis.example.org./dci'],
    ['a user name', 'https://mis.example.org@evil.example/dci'],
    ['a user name before the host', 'https://a@mis.example.org/dci'],
    ['a backslash', 'https://mis.example.org\\@evil.example/dci'],
    ['a dot segment', 'https://mis.example.org/dci/../admin'],
    ['a dot segment that stays inside', 'https://mis.example.org/dci/x/../y'],
    ['an encoded dot segment', 'https://mis.example.org/dci/%2e%2e/admin'],
    ['a half encoded dot segment', 'https://mis.example.org/dci/.%2E/admin'],
    ['a doubly encoded dot segment', 'https://mis.example.org/dci/%252e%252e/admin'],
    ['a dot segment with a parameter', 'https://mis.example.org/dci/..;a=1/admin'],
    ['an encoded slash', 'https://mis.example.org/dci/..%2fadmin'],
    ['an encoded backslash', 'https://mis.example.org/dci/..%5cadmin'],
    ['a backslash in the path', 'https://mis.example.org/dci/..\\admin'],
    ['an encoded NUL', 'https://mis.example.org/dci/%00'],
    ['a fragment', 'https://mis.example.org/dci#x'],
    ['the prefix in the query', 'https://evil.example/?https://mis.example.org/dci'],
    ['a tab within the host', 'https://mis.exa\tmple.org/dci'],
    ['another alphabet', 'https://mіs.example.org/dci'],
    ['a full-width dot', 'https://mis．example.org/dci'],
    ['nothing', ''],
    ['no URL', 'mis.example.org/dci'],
  ])('does not allow %s', (_what, url) => {
    expect(allowance.allows(url)).toBe(false);
  });
});

it.each([[[]], [['']], [['https://']], [['*']], [['https://*.example.org/']], [['https://mis.example.org/dci?x=1']]])(
  'nothing is allowed by %j',
  (unusable) => {
    expect(createUrlAllowance(unusable).allows('https://mis.example.org/dci')).toBe(false);
  },
);

it.each([
  '',
  'mis.example.org',
  'https://mis.example.org/?a',
  'https://mis.example.org/a/../b',
  'ftp://mis.example.org/',
  'https://*.example.org/',
])('"%s" cannot be registered', (prefix) => {
  expect(() => parseUrlPrefix(prefix)).toThrow(OutboundError);
});
