import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson } from '../canonical.ts';
import { DciError } from '../dci-error.ts';
import { readJson } from '../json-text.ts';
import { DIGEST_FORMS, writeInForm } from './content-form.ts';
import { parseJws } from './jws-signature.ts';
import { generateSigningKey, importPrivateKey, importPublicKey, publicJwk } from './keys.ts';
import { parseSignature, searchSignedForm } from './parse-signature.ts';
import { runSearch } from './run-search.ts';
import { signContent, signContentBy } from './sign-content.ts';
import { executeInPlace } from '../../test/support/execute-in-place.ts';

const encode = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const HEADER = { alg: 'EdDSA', kid: 'key-1', iat: 1_700_000_000, exp: 1_700_000_300 };
const SIGNATURE = encode('signature');

function refusalOf(text: string): string {
  try {
    parseJws(text);
  } catch (error) {
    expect(error).toBeInstanceOf(DciError);
    expect(error).toMatchObject({ code: 'err.signature.invalid', pointer: '/signature' });
    return (error as DciError).message;
  }
  throw new Error(`was read: ${text}`);
}

describe('parseJws', () => {
  it('reads what the protected header states', () => {
    expect(parseJws(`${encode(HEADER)}.cGF5bG9hZA.${SIGNATURE}`)).toEqual({
      dialect: 'jws',
      kid: 'key-1',
      algorithm: 'EdDSA',
      created: 1_700_000_000,
      expires: 1_700_000_300,
      encodedHeader: encode(HEADER),
      encodedPayload: 'cGF5bG9hZA',
      signature: Buffer.from('signature'),
    });
    expect(parseJws(`${encode({ alg: 'EdDSA', kid: 'key-1' })}..${SIGNATURE}`)).toMatchObject({
      dialect: 'jws-detached',
      created: undefined,
      expires: undefined,
    });
  });

  it('looks at no key and no address of a key that is in it', () => {
    const more = { jku: 'http://127.0.0.1:1/', x5u: 'http://127.0.0.1:1/', jwk: { kty: 'oct' }, x5c: ['AA'], typ: 'JOSE' };
    expect(parseJws(`${encode({ ...HEADER, ...more })}..${SIGNATURE}`)).toMatchObject({ kid: 'key-1', algorithm: 'EdDSA' });
  });

  it.each([
    ['four parts', `${encode(HEADER)}..${SIGNATURE}.`, 'compact JWS'],
    ['a header that is no base64url', `a.b.${SIGNATURE}`, 'protected header'],
    ['a header that is no JSON', `${encode('{')}..${SIGNATURE}`, 'not a JSON object'],
    ['a header that is a list', `${encode([HEADER])}..${SIGNATURE}`, 'not a JSON object'],
    ['a header with a parameter twice', `${encode('{"alg":"none","alg":"EdDSA","kid":"key-1"}')}..${SIGNATURE}`, 'not a JSON object'],
    ['a long header', `${encode({ ...HEADER, more: 'x'.repeat(4096) })}..${SIGNATURE}`, '4096'],
    ['a long signature', `${encode(HEADER)}..${'A'.repeat(4100)}`, '4096'],
    ['no algorithm', `${encode({ ...HEADER, alg: undefined })}..${SIGNATURE}`, '"alg"'],
    ['the algorithm none', `${encode({ ...HEADER, alg: 'none' })}..${SIGNATURE}`, '"alg"'],
    ['the algorithm HS256', `${encode({ ...HEADER, alg: 'HS256' })}..${SIGNATURE}`, '"alg"'],
    ['an algorithm in small letters', `${encode({ ...HEADER, alg: 'eddsa' })}..${SIGNATURE}`, '"alg"'],
    ['an algorithm that is a list', `${encode({ ...HEADER, alg: ['EdDSA'] })}..${SIGNATURE}`, '"alg"'],
    ['crit', `${encode({ ...HEADER, crit: [] })}..${SIGNATURE}`, '"crit"'],
    ['b64', `${encode({ ...HEADER, b64: true })}..${SIGNATURE}`, '"b64"'],
    ['no kid', `${encode({ ...HEADER, kid: undefined })}..${SIGNATURE}`, '"kid"'],
    ['an empty kid', `${encode({ ...HEADER, kid: '' })}..${SIGNATURE}`, '"kid"'],
    ['a kid that is a number', `${encode({ ...HEADER, kid: 1 })}..${SIGNATURE}`, '"kid"'],
    ['an iat in milliseconds', `${encode({ ...HEADER, iat: 1_700_000_000_000 })}..${SIGNATURE}`, '"iat"'],
    ['an iat that is null', `${encode({ ...HEADER, iat: null })}..${SIGNATURE}`, '"iat"'],
    ['an exp with a fraction', `${encode({ ...HEADER, exp: 1_700_000_300.5 })}..${SIGNATURE}`, '"exp"'],
    ['an exp that is negative', `${encode({ ...HEADER, exp: -1 })}..${SIGNATURE}`, '"exp"'],
    ['an empty signature', `${encode(HEADER)}..`, 'no signature'],
    ['a signature with loose bits', `${encode(HEADER)}..QR`, 'not base64'],
    ['ES256 in DER', `${encode({ ...HEADER, alg: 'ES256' })}..${'A'.repeat(96)}`, '64 bytes'],
  ])('refuses %s, naming the part', (_name, text, part) => {
    expect(refusalOf(text)).toContain(part);
  });

  it('reads or refuses every damage', () => {
    const text = `${encode(HEADER)}.${encode({ header: {} })}.${SIGNATURE}`;
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ unit: 'binary', maxLength: 4 }), (at, inserted) => {
        try {
          parseSignature(text.slice(0, at) + inserted + text.slice(at + 1));
        } catch (error) {
          expect(error).toMatchObject({ name: 'DciError', code: 'err.signature.invalid' });
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a JWS written here', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });
  const keys = [
    generateSigningKey('EdDSA'),
    generateSigningKey('ES256'),
    importPrivateKey(rsa),
    importPrivateKey({ ...rsa, alg: 'PS256' }),
  ];
  const content = canonicalJson({ header: { sender_id: 'spmis', name: 'Zoë' }, message: { '\uffff': 1, '😀': 2, tiny: 1e-7 } });
  // As the receiver has it in the end: written by its own serialiser.
  const bodies = {
    jcs: content,
    received: content,
    sorted: writeInForm(content, 'sorted'),
    'sorted-ascii': writeInForm(content, 'sorted-ascii'),
  };

  describe.each(['dci', 'jws', 'jws-detached'] as const)('in the dialect %s', (dialect) => {
    it.each(keys)('verifies by $algorithm in each form, here and by an executor', async (key) => {
      const terms = { senderId: 'spmis', created: 1_700_000_000, expires: 1_700_000_300, dialect };
      for (const form of DIGEST_FORMS) {
        const received = readJson(bodies[form]);
        for (const text of [signContent(bodies[form], key, terms), await signContentBy(executeInPlace(), bodies[form], key, terms)]) {
          const parsed = parseSignature(text);
          expect(parsed).toMatchObject({ dialect, algorithm: key.algorithm, created: terms.created, expires: terms.expires });
          const found = runSearch(searchSignedForm(parsed, importPublicKey(publicJwk(key)), received, form));
          expect(found).toBe(form);
          const other = readJson(bodies[form].replace('spmis', 'other'));
          expect(runSearch(searchSignedForm(parsed, importPublicKey(publicJwk(key)), other, form))).toBeUndefined();
        }
      }
    });
  });

  it('is left unwritten where its terms could not be read back', () => {
    const terms = { senderId: 'spmis', created: 1_700_000_000, expires: 1_700_000_000, dialect: 'jws' } as const;
    expect(() => signContent(content, keys[0] as (typeof keys)[0], terms)).toThrow('"expires" after "created"');
  });
});
