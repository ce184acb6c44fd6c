import { createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { thumbprint } from '../key-material.ts';
import { findAlgorithm, type SignatureAlgorithm, signBytes, verifyBytes } from './algorithms.ts';
import { generateSigningKey, importPrivateKey, importPublicKey, publicJwk } from './keys.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');

function jwkOf(key: KeyObject, members: JsonWebKey = {}): JsonWebKey {
  return { ...key.export({ format: 'jwk' }), ...members };
}

function pemOf(key: KeyObject): string {
  return key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' }).toString();
}

describe('findAlgorithm', () => {
  it.each([
    ['ed25519', 'EdDSA'],
    ['Ed25519', 'EdDSA'],
    ['EDDSA', 'EdDSA'],
    ['es256', 'ES256'],
    ['Rs256', 'RS256'],
    ['PS256', 'PS256'],
  ])('reads %s', (name, algorithm) => {
    expect(findAlgorithm(name)).toBe(algorithm);
  });

  it.each(['', 'none', 'None', 'HS256', 'hmac', 'ES384', 'ES256K', 'RS1', 'constructor', '__proto__', ' ES256'])(
    'does not know %j',
    (name) => {
      expect(findAlgorithm(name)).toBeUndefined();
    },
  );
});

describe('importPublicKey', () => {
  it.each([
    ['Ed25519', ed.publicKey, 'EdDSA'],
    ['P-256', ec.publicKey, 'ES256'],
    ['RSA', rsa.publicKey, 'RS256'],
  ])('reads a key of kind %s as JWK and as PEM, under the same id', (_name, key, algorithm) => {
    const fromJwk = importPublicKey(jwkOf(key));
    const fromPem = importPublicKey(pemOf(key));
    expect(fromJwk.algorithm).toBe(algorithm);
    expect(fromPem.algorithm).toBe(algorithm);
    expect(fromJwk.kid).toBe(thumbprint(jwkOf(key)));
    expect(fromPem.kid).toBe(fromJwk.kid);
    expect(fromPem.key.equals(key)).toBe(true);
  });

  it('takes id and algorithm from the options, then from the key', () => {
    const jwk = jwkOf(rsa.publicKey, { kid: 'stated', alg: 'PS256', use: 'sig', key_ops: ['verify'] });
    expect(importPublicKey(jwk)).toMatchObject({ kid: 'stated', algorithm: 'PS256' });
    expect(importPublicKey(jwk, { kid: 'given', algorithm: 'RS256' })).toMatchObject({ kid: 'given', algorithm: 'RS256' });
    expect(importPublicKey(jwkOf(ed.publicKey, { alg: 'Ed25519' })).algorithm).toBe('EdDSA');
  });

  it.each([
    ['a private JWK', jwkOf(ed.privateKey), 'private'],
    ['a private RSA JWK', jwkOf(rsa.privateKey), 'private'],
    ['a private PEM', pemOf(ec.privateKey), 'private'],
    ['a private PKCS#1 PEM', rsa.privateKey.export({ format: 'pem', type: 'pkcs1' }).toString(), 'private'],
    ['a private SEC1 PEM', ec.privateKey.export({ format: 'pem', type: 'sec1' }).toString(), 'private'],
    ['a shared secret', { kty: 'oct', k: 'c2VjcmV0' }, 'secret'],
    ['an encryption key', jwkOf(rsa.publicKey, { use: 'enc' }), '"use"'],
    ['a key for other operations', jwkOf(rsa.publicKey, { key_ops: ['encrypt', 'wrapKey'] }), '"key_ops"'],
    ['a short RSA key', jwkOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), 'shorter than 2048'],
    ['an RSA key whose exponent is 1', jwkOf(rsa.publicKey, { e: 'AQ' }), 'exponent'],
    ['P-384', jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey), 'P-256'],
    ['secp256k1', pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey), 'P-256'],
    ['Ed448', jwkOf(generateKeyPairSync('ed448').publicKey), 'no kind'],
    ['X25519', pemOf(generateKeyPairSync('x25519').publicKey), 'no kind'],
    ['an unknown kind', { kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA' }, 'cannot be read'],
    ['a JWK without its parts', { kty: 'EC', crv: 'P-256', x: 'AA' }, 'cannot be read'],
    ['a point off the curve', jwkOf(ec.publicKey, { y: jwkOf(ec.publicKey).x ?? '' }), 'cannot be read'],
    ['no PEM', 'not a key', 'cannot be read'],
    ['an algorithm that is not accepted', jwkOf(rsa.publicKey, { alg: 'RS512' }), '"alg"'],
    ['HMAC', jwkOf(rsa.publicKey, { alg: 'HS256' }), '"alg"'],
    ['an algorithm of another kind of key', jwkOf(ec.publicKey, { alg: 'RS256' }), 'ES256'],
  ])('refuses %s', (_name, key, reason) => {
    expect(() => importPublicKey(key as Parameters<typeof importPublicKey>[0])).toThrow(reason);
  });

  it('refuses an empty id and an algorithm the key does not serve', () => {
    expect(() => importPublicKey(jwkOf(ec.publicKey), { kid: '' })).toThrow('empty');
    expect(() => importPublicKey(pemOf(ec.publicKey), { algorithm: 'EdDSA' })).toThrow('ES256');
  });

  it('does not repeat key material in what it says', () => {
    const jwk = jwkOf(ed.privateKey);
    expect(() => importPublicKey(jwk)).toThrow(expect.objectContaining({ message: expect.not.stringContaining(String(jwk.d)) }));
  });
});

describe('importPrivateKey', () => {
  it.each([
    ['Ed25519', ed.privateKey],
    ['P-256', ec.privateKey],
    ['RSA', rsa.privateKey],
  ])('reads a key of kind %s as JWK and as PEM, under the id of its public half', (_name, key) => {
    const fromJwk = importPrivateKey(jwkOf(key));
    const fromPem = importPrivateKey(pemOf(key));
    expect(fromJwk.kid).toBe(importPublicKey(jwkOf(createPublicKey(key))).kid);
    expect(fromPem.kid).toBe(fromJwk.kid);
    expect(fromPem.key.equals(key)).toBe(true);
    expect(importPrivateKey(jwkOf(key, { kid: 'stated' })).kid).toBe('stated');
  });

  it.each([
    ['a public JWK', jwkOf(ec.publicKey)],
    ['a public PEM', pemOf(ec.publicKey)],
    ['an encryption key', jwkOf(rsa.privateKey, { use: 'enc' })],
    ['a short RSA key', pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)],
  ])('refuses %s', (_name, key) => {
    expect(() => importPrivateKey(key)).toThrow(Error);
  });
});

describe('publicJwk', () => {
  it.each(['ES256', 'EdDSA'] as const)('publishes a generated %s key without its private part', (algorithm) => {
    const key = generateSigningKey(algorithm);
    const jwk = publicJwk(key);
    expect(jwk).toMatchObject({ kid: key.kid, use: 'sig', alg: algorithm });
    expect(jwk).not.toHaveProperty('d');
    const read = importPublicKey({ ...jwk });
    expect(read).toMatchObject({ kid: key.kid, algorithm });
    expect(publicJwk(read)).toEqual(jwk);
  });

  it('publishes an RSA key', () => {
    const jwk = publicJwk(importPrivateKey(jwkOf(rsa.privateKey, { alg: 'PS256', kid: 'r' })));
    expect(Object.keys(jwk).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
    expect(jwk.alg).toBe('PS256');
  });
});

describe('thumbprint', () => {
  it('is that of the examples of RFC 7638 and RFC 8037', () => {
    const n =
      '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64t' +
      'Z_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO' +
      'pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw';
    expect(thumbprint({ kty: 'RSA', n, e: 'AQAB', alg: 'RS256', kid: '2011-04-29' })).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
    expect(thumbprint({ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' })).toBe(
      'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
    );
  });

  it('refuses what it cannot name', () => {
    expect(() => thumbprint({ kty: 'oct', k: 'AA' })).toThrow('kind');
    expect(() => thumbprint({ kty: 'EC', crv: 'P-256', x: 'AA' })).toThrow('"y"');
  });
});

describe('signBytes and verifyBytes', () => {
  const content = Buffer.from('content');
  const pairs: readonly (readonly [SignatureAlgorithm, { privateKey: KeyObject; publicKey: KeyObject }])[] = [
    ['EdDSA', ed],
    ['ES256', ec],
    ['RS256', rsa],
    ['PS256', rsa],
  ];

  it.each(pairs)('agree on %s, and on nothing else', (algorithm, { privateKey, publicKey }) => {
    const signature = signBytes(algorithm, privateKey, content);
    expect(verifyBytes({ algorithm, key: publicKey, content, signature })).toBe(true);
    expect(verifyBytes({ algorithm, key: publicKey, content: Buffer.from('other'), signature })).toBe(false);
    for (let bit = 0; bit < signature.length * 8; bit += 7) {
      const damaged = Buffer.from(signature);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(verifyBytes({ algorithm, key: publicKey, content, signature: damaged })).toBe(false);
    }
    for (const length of [0, 1, 63, 64, 65, 255, 300])
      expect(verifyBytes({ algorithm, key: publicKey, content, signature: Buffer.alloc(length, 0x30) })).toBe(false);
  });

  it('tell RS256 and PS256 apart', () => {
    expect(verifyBytes({ algorithm: 'PS256', key: rsa.publicKey, content, signature: signBytes('RS256', rsa.privateKey, content) })).toBe(
      false,
    );
    expect(verifyBytes({ algorithm: 'RS256', key: rsa.publicKey, content, signature: signBytes('PS256', rsa.privateKey, content) })).toBe(
      false,
    );
  });
});
