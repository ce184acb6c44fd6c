import { spawnSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import canonicalize from 'canonicalize';
import { CompactSign, FlattenedSign, type JWSHeaderParameters } from 'jose';

/**
 * Makes the vectors `jws-*.json` with other implementations than the one that they are for: jose signs, `canonicalize` and
 * Python's `json` serialise. Run by hand: `node packages/protocol/test/support/make-jws-vectors.ts`.
 */

const FOLDER = new URL('../../vectors/signature/', import.meta.url);
const NOW = 1_700_000_000;
const { keys: PEMS } = JSON.parse(readFileSync(new URL('test-only-private-keys.json', FOLDER), 'utf8')) as { keys: Record<string, string> };

const HEADER = `{"version": "1.0.0", "message_id": "7f0c0f9e-8f5c-4b1a-9d53-0b6d5ad1f001", "message_ts": "2023-11-14T22:13:20Z", "action": "search", "sender_id": "spmis.example.org", "receiver_id": "registry.example.org", "total_count": 1}`;
const MESSAGE = String.raw`{"transaction_id": "txn-1", "search_request": [{"reference_id": "ref-1", "timestamp": "2023-11-14T22:13:20Z", "search_criteria": {"query_type": "idtype-value", "query": {"type": "urn:gov:national-id", "value": "Zoë-😀-লাকী"}}, "locale": "eng", "score": 1.0, "large": 9007199254740991, "small": 1e-07, "uri": "https:\/\/mis.example.org\/r", "quoted": "a\"\\\u00e9\u001f", "empty": {}, "names": {"￿": 1, "😀": 2, "b": 3, "a": 4}}]}`;

interface Case {
  readonly what: string;
  readonly kid?: string;
  readonly alg?: string;
  /** Members of the protected header beside `alg`, `kid`, `iat` and `exp`; undefined takes one away. */
  readonly parameters?: Record<string, unknown>;
  readonly detached?: true;
  /** What is signed, of the members of the body; absent: as they stand there. */
  readonly content?: (header: string, message: string) => string;
  readonly header?: string;
  readonly message?: string;
  /** Changes the text of the JWS after it was signed. */
  readonly after?: (jws: string) => string;
  readonly now?: number;
  readonly expect: Record<string, unknown>;
}

const received = (header: string, message: string): string => `{"header":${header},"message":${message}}`;
const jcs = (header: string, message: string): string => canonicalize(JSON.parse(received(header, message))) as string;
const python =
  (options: string) =>
  (header: string, message: string): string => {
    const program = `import json, sys; sys.stdout.buffer.write(json.dumps(json.loads(sys.stdin.buffer.read()), ${options}).encode())`;
    const { stdout, stderr, status } = spawnSync('python3', ['-c', program], { input: received(header, message) });
    if (status !== 0) throw new Error(stderr.toString());
    return stdout.toString();
  };
const sorted = python(`sort_keys=True, separators=(',', ':'), ensure_ascii=False`);
const sortedAscii = python(`sort_keys=True, separators=(',', ':')`);
const spaced = python('indent=2');

const es256 = { kid: 'es256-1', alg: 'ES256' };
const invalid = { expect: { code: 'err.signature.invalid' } };
const splice = (at: number, change: (part: string) => string) => (jws: string) =>
  jws
    .split('.')
    .map((part, index) => (index === at ? change(part) : part))
    .join('.');
const flip = (part: string): string => `${part.slice(0, 8)}${part[8] === 'A' ? 'B' : 'A'}${part.slice(9)}`;

const VALID: Record<string, Case> = {};
const INVALID: Record<string, Case> = {};

for (const [dialect, detached] of [
  ['jws', undefined],
  ['jws-detached', true],
] as const) {
  const common = detached === undefined ? {} : { detached };
  for (const [name, kid, alg] of [
    ['eddsa', 'ed25519-1', 'EdDSA'],
    ['eddsa-named-ed25519', 'ed25519-1', 'Ed25519'],
    ['es256', 'es256-1', 'ES256'],
    ['rs256', 'rs256-1', 'RS256'],
    ['ps256', 'ps256-1', 'PS256'],
  ] as const)
    VALID[`${dialect}-${name}`] = { what: `Signed by ${alg}.`, kid, alg, content: jcs, ...common, expect: { kid, dialect, form: 'jcs' } };
  for (const [form, content] of Object.entries({ received, sorted, 'sorted-ascii': sortedAscii }))
    VALID[`${dialect}-${form}`] = { what: `Serialised as ${form}.`, content, ...common, expect: { kid: 'es256-1', dialect, form } };
  VALID[`${dialect}-without-times`] = {
    what: 'It states no times: it is good for five minutes from message_ts.',
    parameters: { iat: undefined, exp: undefined },
    content: jcs,
    now: NOW + 299,
    ...common,
    expect: { kid: 'es256-1', dialect, form: 'jcs', expires: NOW + 300 },
  };
  const bad: Record<string, Omit<Case, 'expect'>> = {
    expired: { what: 'Expired this second.', now: NOW + 300 },
    'not-yet-valid': { what: 'Made 61 s ahead of the receiver.', now: NOW - 61 },
    'over-long': { what: 'Made to last a day and a second.', parameters: { exp: NOW + 86_401 } },
    'expires-before-issued': { what: 'It ends before it begins.', parameters: { exp: NOW - 1 } },
    'without-times-stale': {
      what: 'It states no times, and message_ts is five minutes past.',
      parameters: { iat: undefined, exp: undefined },
      now: NOW + 300,
    },
    'iat-in-milliseconds': { what: 'iat is in milliseconds.', parameters: { iat: NOW * 1000, exp: NOW * 1000 + 300_000 } },
    'exp-is-text': { what: 'exp is text.', parameters: { exp: `${NOW + 300}` } },
    'key-of-another-sender': { what: 'kid names a key of another sender.', kid: 'foreign-1' },
    'key-id-borrowed': { what: 'kid names a key of the sender, another one signed.', kid: 'foreign-1', parameters: { kid: 'es256-1' } },
    'kid-missing': { what: 'No kid.', parameters: { kid: undefined } },
    'key-brought-along': {
      what: 'Signed by a key that it brings along, under a registered id.',
      kid: 'foreign-1',
      parameters: {
        kid: 'es256-1',
        jwk: {
          kty: 'EC',
          crv: 'P-256',
          x: 'GfiQqHvaOeZeU_m9L8kxK2ckDWa_zC0GDbYoetSzE5U',
          y: 'cXugaayd4bfIwE2d9UnhNXUYAGfoK7jLDJhHqXMtC5U',
        },
      },
    },
    'signature-damaged': { what: 'A letter of the signature is another.', after: splice(2, flip) },
    'signature-empty': { what: 'The signature is empty.', after: splice(2, () => '') },
    'algorithm-none': {
      what: 'alg is none, and there is no signature.',
      after: (jws) => [encode({ alg: 'none', kid: 'es256-1' }), jws.split('.')[1], ''].join('.'),
    },
    'algorithm-hs256': {
      what: 'alg is HS256.',
      after: splice(0, () => encode({ alg: 'HS256', kid: 'es256-1', iat: NOW, exp: NOW + 300 })),
    },
    'algorithm-swapped': {
      what: 'alg is not the one of the key.',
      after: splice(0, () => encode({ alg: 'EdDSA', kid: 'es256-1', iat: NOW, exp: NOW + 300 })),
    },
    'algorithm-in-small-letters': {
      what: 'Names of algorithms are case-sensitive in a JWS.',
      after: splice(0, () => encode({ alg: 'es256', kid: 'es256-1', iat: NOW, exp: NOW + 300 })),
    },
    'message-changed': {
      what: 'The message was changed after it was signed.',
      content: (header) => jcs(header, MESSAGE.replace('ref-1', 'ref-2')),
    },
    'header-changed': {
      what: 'The header was changed after it was signed.',
      content: (_header, message) => jcs(HEADER.replace('search', 'subscribe'), message),
    },
    'message-only-signed': { what: 'Only the message is signed.', content: (_header, message) => message },
    'critical-parameter': { what: 'It asks for an extension that must be understood.', parameters: { crit: ['b64'], b64: true } },
  };
  for (const [name, entry] of Object.entries(bad)) INVALID[`${dialect}-${name}`] = { content: jcs, ...common, ...entry, ...invalid };
}
VALID['jws-spaced'] = {
  what: 'The payload is indented and in another order: it says the same.',
  content: spaced,
  expect: { kid: 'es256-1', dialect: 'jws', form: 'jcs' },
};
INVALID['jws-payload-of-more'] = {
  what: 'The payload has a member beside header and message.',
  content: (header, message) => canonicalize({ ...JSON.parse(received(header, message)), exp: NOW + 300 }) as string,
  ...invalid,
};
INVALID['jws-payload-of-repeats'] = {
  what: 'The payload has the header twice.',
  content: (header, message) => `{"header":${header},"header":${header},"message":${message}}`,
  ...invalid,
};
INVALID['jws-payload-left-out'] = {
  what: 'The payload was left out after it was signed, and the message changed.',
  after: splice(1, () => ''),
  content: (header) => jcs(header, MESSAGE.replace('ref-1', 'ref-2')),
  ...invalid,
};
INVALID['jws-detached-unencoded-payload'] = {
  what: 'The payload is signed unencoded (RFC 7797).',
  detached: true,
  parameters: { crit: ['b64'], b64: false },
  content: jcs,
  ...invalid,
};

function encode(header: object): string {
  return Buffer.from(JSON.stringify(header)).toString('base64url');
}

async function signCase({
  kid = es256.kid,
  alg = es256.alg,
  parameters = {},
  detached,
  content = received,
  after = (jws) => jws,
  ...rest
}: Case) {
  const { header = HEADER, message = MESSAGE } = rest;
  const protectedHeader = { alg, kid, iat: NOW, exp: NOW + 300, ...parameters };
  const jws = await sign(content(header, message), protectedHeader, PEMS[kid] ?? '');
  const text = after(detached === undefined ? jws : splice(1, () => '')(jws));
  return {
    what: rest.what,
    body: `{"signature": ${JSON.stringify(text)}, "header": ${header}, "message": ${message}}`,
    policy: 'required',
    now: rest.now ?? NOW + 10,
    expect: rest.expect,
  };
}

async function sign(content: string, protectedHeader: JWSHeaderParameters & { alg: string }, pem: string): Promise<string> {
  const payload = new TextEncoder().encode(content);
  const stated = JSON.parse(JSON.stringify(protectedHeader)) as { alg: string; b64?: boolean };
  const key = createPrivateKey(pem);
  if (stated.b64 === undefined) return await new CompactSign(payload).setProtectedHeader(stated).sign(key);
  const flat = await new FlattenedSign(payload).setProtectedHeader(stated).sign(key, { crit: { b64: true } });
  return `${flat.protected}.${stated.b64 ? flat.payload : 'e30'}.${flat.signature}`;
}

for (const [kind, cases] of Object.entries({ valid: VALID, invalid: INVALID }))
  for (const [name, entry] of Object.entries(cases))
    writeFileSync(new URL(`${kind}/${name}.json`, FOLDER), `${JSON.stringify(await signCase(entry), null, 2)}\n`);
