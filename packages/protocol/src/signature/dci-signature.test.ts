import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, sortedAsciiJson, sortedJson } from '../canonical.ts';
import { DciError } from '../dci-error.ts';
import { type JsonText, readJson } from '../json-text.ts';
import { verifyBytes } from './algorithms.ts';
import { DIGEST_FORMS, type DigestForm } from './content-form.ts';
import { parseDciSignature } from './dci-signature.ts';
import { generateSigningKey, importPrivateKey, importPublicKey, publicJwk, type SigningKey } from './keys.ts';
import { searchSignedForm } from './parse-signature.ts';
import { keyIdOf } from './parsed-signature.ts';
import { runSearch } from './run-search.ts';
import { signContent, signContentBy } from './sign-content.ts';
import { executeInPlace } from '../../test/support/execute-in-place.ts';

const PARTS = {
  namespace: '"dci"',
  kidId: '"spmis|key-1|ed25519"',
  algorithm: '"ed25519"',
  created: '"1700000000"',
  expires: '"1700000300"',
  headers: '"(created) (expires) digest"',
  signature: '"c2lnbmF0dXJl"',
};

function textOf(changes: Partial<Record<keyof typeof PARTS, string>> = {}, separator = ', '): string {
  return Object.entries({ ...PARTS, ...changes })
    .map(([name, value]) => `${name}=${value}`)
    .join(separator);
}

function refusalOf(text: string): string {
  try {
    parseDciSignature(text);
  } catch (error) {
    expect(error).toBeInstanceOf(DciError);
    expect(error).toMatchObject({ code: 'err.signature.invalid', pointer: '/signature' });
    return (error as DciError).message;
  }
  throw new Error(`was read: ${text}`);
}

const READ = {
  dialect: 'dci',
  signer: 'spmis|key-1',
  algorithm: 'EdDSA',
  created: 1_700_000_000,
  expires: 1_700_000_300,
  signature: Buffer.from('signature'),
};

describe('parseDciSignature', () => {
  it.each([
    ['as the standard writes it', `Signature:  ${textOf()}`],
    ['without prefix', textOf()],
    ['with a prefix in small letters', `signature:${textOf()}`],
    ['without spaces', textOf({}, ',')],
    ['with spaces around everything', ` Signature : ${textOf({}, ' ,\t ').replaceAll('=', ' = ')} `],
    ['over several lines', `Signature:\n  ${textOf({}, ',\n  ')}\n`],
    ['under the name of the example', textOf({ namespace: '"spdci"' })],
    ['with bare numbers', textOf({ created: '1700000000', expires: '1700000300' })],
    ['with the algorithm under its other name', textOf({ algorithm: '"EdDSA"', kidId: '"spmis|key-1|Ed25519"' })],
    ['with wide spaces in the list of headers', textOf({ headers: '" (created)  (expires) digest "' })],
    ['with the last first', `signature="c2lnbmF0dXJl", ${textOf().replace(/, signature=.*/, '')}`],
  ])('reads a signature %s', (_name, text) => {
    expect(parseDciSignature(text)).toEqual(READ);
  });

  it('reads either base64, padded or not', () => {
    for (const text of ['"+/+/8A=="', '"-_-_8A"', '"+/+/8A"', '"-_-_8A=="'])
      expect(parseDciSignature(textOf({ signature: text })).signature).toEqual(Buffer.from([0xfb, 0xff, 0xbf, 0xf0]));
  });

  it.each([
    ['nothing', 'Signature:', 'list of parameters'],
    ['a JWS', 'eyJhbGciOiJFUzI1NiJ9..c2ln', 'list of parameters'],
    ['an unfinished quote', textOf().slice(0, -1), 'list of parameters'],
    ['a comma at the end', `${textOf()},`, 'list of parameters'],
    ['a comma at the beginning', `,${textOf()}`, 'list of parameters'],
    ['something after it', `${textOf()} x`, 'list of parameters'],
    ['an escaped quote', textOf({ kidId: '"sp\\"mis|key-1|ed25519"' }), 'list of parameters'],
    ['another parameter', `${textOf()}, opaque="x"`, 'other than'],
    ['another namespace', textOf({ namespace: '"x"' }), '"namespace"'],
    ['other signed parts', textOf({ headers: '"digest"' }), '"headers"'],
    ['more signed parts', textOf({ headers: '"(created) (expires) digest host"' }), '"headers"'],
    ['signed parts in another order', textOf({ headers: '"(expires) (created) digest"' }), '"headers"'],
    ['no algorithm', textOf({ algorithm: '"none"', kidId: '"spmis|key-1|none"' }), '"algorithm"'],
    ['HMAC', textOf({ algorithm: '"HS256"', kidId: '"spmis|key-1|HS256"' }), '"algorithm"'],
    ['two algorithms', textOf({ algorithm: '"ES256"' }), 'different algorithms'],
    ['a kidId of one part', textOf({ kidId: '"key-1"' }), '"kidId"'],
    ['a kidId without algorithm', textOf({ kidId: '"spmis|key-1"' }), 'different algorithms'],
    ['a time in milliseconds', textOf({ created: '"1700000000000"' }), '"created"'],
    ['a negative time', textOf({ created: '"-1"' }), '"created"'],
    ['a time with a point', textOf({ expires: '"1700000300.5"' }), '"expires"'],
    ['a time with a leading zero', textOf({ expires: '"01700000300"' }), '"expires"'],
    ['a time in words', textOf({ expires: '"never"' }), '"expires"'],
    ['an empty signature', textOf({ signature: '""' }), '"signature"'],
    ['a signature that is not base64', textOf({ signature: '"Base64(signing content)"' }), '"signature"'],
    ['a signature with loose bits', textOf({ signature: '"c2lnbmF0dXJ="' }), '"signature"'],
    ['a signature with padding inside', textOf({ signature: '"c2ln=bmF0"' }), '"signature"'],
    ['a signature of great length', textOf({ signature: `"${'A'.repeat(4096)}"` }), '4096'],
  ])('refuses %s, naming the part', (_name, text, part) => {
    expect(refusalOf(text)).toContain(part);
  });

  it.each(Object.keys(PARTS))('refuses a missing and a repeated %s', (name) => {
    const parts = textOf().split(', ');
    const own = parts.find((part) => part.startsWith(`${name}=`)) ?? '';
    expect(refusalOf(parts.filter((part) => part !== own).join(', '))).toContain(`"${name}" is missing`);
    expect(refusalOf([...parts, own].join(', '))).toContain('twice');
  });

  it('reads or refuses every damage to a signature', () => {
    const text = `Signature: ${textOf()}`;
    for (let length = 0; length < text.length; length += 1) refusalOf(text.slice(0, length));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ unit: 'binary', maxLength: 8 }), (at, inserted) => {
        try {
          parseDciSignature(text.slice(0, at) + inserted + text.slice(at + 1));
        } catch (error) {
          expect(error).toMatchObject({ name: 'DciError', code: 'err.signature.invalid' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('keyIdOf', () => {
  const parsed = parseDciSignature(textOf({ kidId: '"a|b|c|ed25519"' }));

  it('takes what follows the sender of the header, bars and all', () => {
    expect(keyIdOf(parsed, 'a')).toBe('b|c');
    expect(keyIdOf(parsed, 'a|b')).toBe('c');
  });

  it('finds none for another sender', () => {
    for (const sender of ['b', 'a|b|c', 'A', '', 'a|', 'a|b|c|ed25519']) expect(keyIdOf(parsed, sender)).toBeUndefined();
    expect(keyIdOf(parseDciSignature(textOf({ kidId: '"a||ed25519"' })), 'a')).toBeUndefined();
  });
});

const HEADER = { sender_id: 'spmis', message_id: 'm-1', action: 'search', total_count: 1, '\uffff': 1, '\u{1f600}': 2 };
const MESSAGE = { transaction_id: 'Zoë', amount: 12 };
const TERMS = { senderId: 'spmis', created: 1_700_000_000, expires: 1_700_000_300 };
const KEY = generateSigningKey('ES256');
const CONTENT = { header: HEADER, message: MESSAGE };

// Neither sorted nor compact, so that no form is another.
const RECEIVED_TEXT = JSON.stringify({ signature: '', message: MESSAGE, header: HEADER }, null, 1);
const RECEIVED = readJson(RECEIVED_TEXT);

function formOf(content: string, received: JsonText = RECEIVED, preferred?: DigestForm, key: SigningKey = KEY): DigestForm | undefined {
  return runSearch(
    searchSignedForm(parseDciSignature(signContent(content, key, TERMS)), importPublicKey(publicJwk(key)), received, preferred),
  );
}

describe('findSignedForm', () => {
  const rawMessage = RECEIVED.members.get('message') ?? '';
  const rawHeader = RECEIVED.members.get('header') ?? '';

  it.each([
    ['jcs', canonicalJson(CONTENT)],
    ['sorted', sortedJson(CONTENT)],
    ['sorted-ascii', sortedAsciiJson(CONTENT)],
    ['received', `{"message":${rawMessage},"header":${rawHeader}}`],
    [undefined, `{"header":${rawHeader},"message":${rawMessage}}`],
    [undefined, canonicalJson(HEADER)],
    [undefined, canonicalJson(MESSAGE)],
    [undefined, ''],
  ])('recognises the form %s', (form, content) => {
    expect(formOf(content)).toBe(form);
  });

  it.each(DIGEST_FORMS)('recognises every form when %s is preferred', (preferred) => {
    const contents = [
      canonicalJson(CONTENT),
      sortedJson(CONTENT),
      sortedAsciiJson(CONTENT),
      `{"message":${rawMessage},"header":${rawHeader}}`,
    ];
    const forms = contents.map((content) => formOf(content, RECEIVED, preferred));
    expect(forms).toEqual(DIGEST_FORMS);
  });

  it('calls a text that fits several forms by the preferred one, else by the first', () => {
    const plain = readJson('{"header":{"a":1},"message":{"b":2}}');
    expect(formOf(plain.text, plain)).toBe('jcs');
    expect(formOf(plain.text, plain, 'received')).toBe('received');
  });

  it('keeps numbers as written in the forms that Python signs', () => {
    const received = readJson('{"message": {"score": 45.0, "id": 1E2}, "header": {"sender_id": "spmis"}}');
    expect(formOf('{"header":{"sender_id":"spmis"},"message":{"id":1E2,"score":45.0}}', received)).toBe('sorted');
    expect(formOf('{"header":{"sender_id":"spmis"},"message":{"id":100,"score":45}}', received)).toBe('jcs');
    expect(formOf('{"header":{"sender_id":"spmis"},"message":{"id":100,"score":45}}', received, 'sorted')).toBe('jcs');
  });

  it('reads a message without payload', () => {
    const received = readJson('{"header": {"sender_id": "spmis"}, "signature": "x"}');
    expect(formOf('{"header":{"sender_id":"spmis"}}', received)).toBe('jcs');
    expect(formOf('{"header":{"sender_id": "spmis"}}', received)).toBe('received');
    expect(formOf('{"header":{"sender_id":"spmis"},"message":null}', received)).toBeUndefined();
  });

  it('knows a text with repeated members only as received', () => {
    const received = readJson('{"header":{},"message":{"q":{"condition":"and","condition":"or"}}}', {
      keepRepeated: new Set(['condition']),
    });
    expect(formOf('{"header":{},"message":{"q":{"condition":["and","or"]}}}', received)).toBeUndefined();
    expect(formOf('{"header":{},"message":{"q":{"condition":"or"}}}', received)).toBeUndefined();
    expect(formOf('{"header":{},"message":{"q":{"condition":"and","condition":"or"}}}', received)).toBe('received');
  });

  it('takes the digest bare and with its name before it', () => {
    const digest = createHash('sha256').update(sortedJson(CONTENT)).digest('base64');
    const forms = [digest, `SHA-256=${digest}`, `sha-512=${digest}`].map((line) => {
      const signingString = `(created): 1700000000\n(expires): 1700000300\ndigest: ${line}`;
      const signature = sign('sha256', Buffer.from(signingString), KEY.key).toString('base64');
      const text = `namespace="dci", kidId="spmis|${KEY.kid}|es256", algorithm="es256", created="1700000000", expires="1700000300", headers="(created) (expires) digest", signature="${signature}"`;
      return runSearch(searchSignedForm(parseDciSignature(text), importPublicKey(publicJwk(KEY)), RECEIVED, undefined));
    });
    expect(forms).toEqual(['sorted', 'sorted', undefined]);
  });
});

describe('signContent', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

  it.each([
    ['ed25519', generateSigningKey('EdDSA')],
    ['ES256', generateSigningKey('ES256')],
    ['RS256', importPrivateKey(rsa)],
    ['PS256', importPrivateKey({ ...rsa, alg: 'PS256' })],
  ])('signs with %s in the form of the standard', (name, key) => {
    const text = signContent(canonicalJson(CONTENT), key, TERMS);
    const shape = new RegExp(
      `^Signature: namespace="dci", kidId="spmis\\|${key.kid}\\|${name}", algorithm="${name}", created="1700000000", ` +
        `expires="1700000300", headers="\\(created\\) \\(expires\\) digest", signature="[A-Za-z0-9+/]+=*"$`,
    );
    expect(text).toMatch(shape);
    expect(formOf(canonicalJson(CONTENT), RECEIVED, undefined, key)).toBe('jcs');
  });

  it('signs the three lines and nothing else', () => {
    const { signature } = parseDciSignature(signContent('content', KEY, TERMS));
    const digest = createHash('sha256').update('content').digest('base64');
    const lines = `(created): 1700000000\n(expires): 1700000300\ndigest: ${digest}`;
    expect(verifyBytes({ algorithm: 'ES256', key: importPublicKey(publicJwk(KEY)).key, content: Buffer.from(lines), signature })).toBe(
      true,
    );
    expect(signature).toHaveLength(64);
  });

  it.each([
    ['a quote in the sender id', { ...TERMS, senderId: 'sp"mis' }, KEY],
    ['a line break in the key id', TERMS, { ...KEY, kid: 'a\nb' }],
    ['broken seconds', { ...TERMS, created: 1.5 }, KEY],
    ['milliseconds', { ...TERMS, expires: 1_700_000_300_000 }, KEY],
    ['an end before the beginning', { ...TERMS, expires: TERMS.created }, KEY],
  ])('refuses to sign with %s', (_name, terms, key) => {
    expect(() => signContent('{}', key, terms)).toThrow(Error);
  });
});

describe('signing by an executor', () => {
  it('writes what signing here and now writes, by every algorithm', async () => {
    for (const key of [KEY, generateSigningKey('EdDSA')]) {
      const content = canonicalJson({ header: HEADER, message: MESSAGE });
      const text = await signContentBy(executeInPlace(), content, key, TERMS);
      const parsed = parseDciSignature(text);
      expect(runSearch(searchSignedForm(parsed, importPublicKey(publicJwk(key)), RECEIVED, undefined))).toBe('jcs');
      expect(text.replace(/signature="[^"]*"$/, '')).toBe(signContent(content, key, TERMS).replace(/signature="[^"]*"$/, ''));
    }
    await expect(signContentBy(executeInPlace(), '{}', KEY, { ...TERMS, senderId: 'a"b' })).rejects.toThrow('cannot be signed with');
  });
});
