import { generateKeyPairSync } from 'node:crypto';
import { generateSigningKey, publicJwk } from '@dci/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { parseEncryptionKey, parseJwks, parsePublicKey } from '../../src/services/partner-key-text.ts';
import { RegistrationError, type TermChanges } from '../../src/services/partner-terms.ts';
import { changePartner, getPartner, PartnerStateError, type Registered, registerPartner } from '../../src/services/register-partner.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';

let test: TestDatabase;

beforeAll(async () => {
  test = await createTestDatabase();
});
afterAll(() => test.drop());

function register(senderId: string, terms: TermChanges = {}): Promise<Registered> {
  return registerPartner(test.database.db, BUILT_IN_PROFILES, { senderId, terms, keys: [] });
}

async function change(senderId: string, terms: TermChanges): Promise<void> {
  await changePartner(test.database.db, BUILT_IN_PROFILES, senderId, { terms });
}

async function countPartners(): Promise<number> {
  return (await test.database.pool.query('select from partner')).rowCount ?? 0;
}

describe('registering', () => {
  it('opens nothing that was not named', async () => {
    await register('bare.example.org');
    expect(await getPartner(test.database.db, 'bare.example.org')).toMatchObject({
      name: 'bare.example.org',
      active: true,
      registries: new Set(),
      scopes: new Set(),
      signaturePolicy: 'required',
      lenient: false,
      legalBasis: undefined,
      fieldRule: undefined,
      purposes: [],
      limits: {},
      callbackPrefixes: [],
      notifyUri: undefined,
      sealedCallbackAuth: undefined,
      keys: new Map(),
    });
  });

  it('keeps everything that was named, by its proper name', async () => {
    const terms: TermChanges = {
      name: 'Ministère des affaires sociales',
      registries: ['SR'],
      scopes: ['registry/search'],
      signature: 'optional',
      lenient: true,
      defaultEntity: 'member',
      legalBasis: 'Act 12',
      purposes: ['targeting', 'targeting', 'audit'],
      fields: 'minimal',
      limits: { pageSize: 50 },
    };
    await register('full.example.org', terms);
    expect(await getPartner(test.database.db, 'full.example.org')).toMatchObject({
      name: 'Ministère des affaires sociales',
      registries: new Set(['social']),
      scopes: new Set(['registry/search']),
      signaturePolicy: 'optional',
      lenient: true,
      defaultEntity: 'Member',
      legalBasis: 'Act 12',
      purposes: ['targeting', 'audit'],
      fieldRule: 'minimal',
      limits: { pageSize: 50 },
    });
  });

  it.each(['', 'a|b', 'a"b', "a'b", 'a b', 'a\nb', 'a\u0000b', 'é', 'x'.repeat(100)])('refuses the sender id %j', async (senderId) => {
    const before = await countPartners();
    await expect(register(senderId)).rejects.toThrow(RegistrationError);
    expect(await countPartners()).toBe(before);
  });

  it('takes 99 characters', async () => {
    expect((await register('x'.repeat(99))).senderId).toHaveLength(99);
  });

  it.each<[string, TermChanges, RegExp]>([
    ['a registry', { registries: ['social', 'moon'] }, /"moon"; known: social/],
    ['a scope', { scopes: ['registry/everything'] }, /"registry\/everything"; known: registry\/search/],
    ['a field rule', { fields: 'most' }, /"most"; known: full, minimal/],
    ['a signature policy', { signature: 'none' }, /required or optional/],
    ['an encryption policy', { encryption: 'none' }, /encryption is required or optional/],
    ['a dialect', { dialect: 'xml' }, /"xml"; known: as-asked, dci, jws, jws-detached/],
    ['an entity', { registries: ['social'], defaultEntity: 'Planet' }, /"Planet" in the partner's registries; known: .*Group/],
    ['a limit', { limits: { pageSize: 0 } }, /pageSize must be a whole number from 1/],
    ['a limit below zero', { limits: { maxMatches: -1 } }, /maxMatches/],
    ['a name of a limit', { limits: { speed: 3 } }, /"speed"; known: pointsPerMinute/],
    ['control characters', { legalBasis: 'a\u0000b' }, /the legal basis must be/],
    ['an empty name', { name: '' }, /the name is empty/],
    ['a callback prefix', { callbackPrefixes: ['https://user@x.example.org/'] }, /the callback prefix .* cannot be called/],
    ['an address to notify', { notifyUri: 'x.example.org' }, /the address "x.example.org" cannot be called/],
  ])('refuses an unknown or impossible value: %s', async (_name, terms, message) => {
    const before = await countPartners();
    await expect(register('refused.example.org', terms)).rejects.toThrow(message);
    expect(await countPartners()).toBe(before);
  });

  it('names all that is wrong at once', async () => {
    await expect(register('refused.example.org', { fields: 'most', scopes: ['x'] })).rejects.toThrow(/scope "x"[^]*rule "most"/);
  });

  it('refuses a sender id that is taken, also when two ask at once', async () => {
    const outcomes = await Promise.allSettled([register('twice.example.org'), register('twice.example.org')]);
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(outcomes.find((outcome) => outcome.status === 'rejected')?.reason).toBeInstanceOf(PartnerStateError);
    const orphans = await test.database.pool.query(
      'select from partner_credential c where not exists (select from partner p where p.id = c.partner_id)',
    );
    expect(orphans.rowCount).toBe(0);
  });
});

describe('changing', () => {
  it('leaves alone what was not named, and takes away what was emptied', async () => {
    await register('changed.example.org', {
      registries: ['social'],
      legalBasis: 'Act 12',
      fields: 'full',
      limits: { pageSize: 5, maxMatches: 9 },
    });
    await change('changed.example.org', { fields: 'minimal', legalBasis: '', limits: { pageSize: undefined } });
    const partner = await getPartner(test.database.db, 'changed.example.org');
    expect(partner).toMatchObject({ registries: new Set(['social']), fieldRule: 'minimal', legalBasis: undefined });
    expect(partner.limits).toEqual({ maxMatches: 9 });
  });

  it('loses no change among several at once', async () => {
    await register('busy.example.org', { registries: ['social'] });
    await Promise.all([
      change('busy.example.org', { active: false }),
      change('busy.example.org', { fields: 'minimal' }),
      change('busy.example.org', { legalBasis: 'Act 12' }),
      change('busy.example.org', { lenient: true }),
    ]);
    expect(await getPartner(test.database.db, 'busy.example.org')).toMatchObject({
      active: false,
      fieldRule: 'minimal',
      legalBasis: 'Act 12',
      lenient: true,
    });
  });

  it('refuses a partner and a key that are not there', async () => {
    await expect(change('nobody.example.org', {})).rejects.toThrow(PartnerStateError);
    await register('keyless.example.org');
    const revoking = changePartner(test.database.db, BUILT_IN_PROFILES, 'keyless.example.org', { keys: { revoke: ['key-1'] } });
    await expect(revoking).rejects.toThrow(PartnerStateError);
  });

  it('puts keys in, replaces them as a set, and takes a revoked one back', async () => {
    await register('keys.example.org');
    const named = (kid: string) => ({ ...generateSigningKey('EdDSA'), kid });
    const keysAfter = async (keys: Parameters<typeof changePartner>[3]['keys']): Promise<string[]> => {
      await changePartner(test.database.db, BUILT_IN_PROFILES, 'keys.example.org', { keys });
      return [...(await getPartner(test.database.db, 'keys.example.org')).keys.keys()].toSorted();
    };
    expect(await keysAfter({ put: [named('a')] })).toEqual(['a']);
    expect(await keysAfter({ put: [named('b')] })).toEqual(['a', 'b']);
    expect(await keysAfter({ put: [named('b'), named('c')], replaceAll: true })).toEqual(['b', 'c']);
    expect(await keysAfter({ revoke: ['c'] })).toEqual(['b']);
    expect(await keysAfter({ put: [named('a')] })).toEqual(['a', 'b']);
  });
});

describe('keys of a partner', () => {
  const key = generateSigningKey('ES256');
  const jwk = { ...publicJwk(key) };
  const pem = (): string => String(key.key.export({ type: 'pkcs8', format: 'pem' }));

  const encryption = { ...generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }), use: 'enc' };

  it('are read from a JWKS, those for encryption too, under an id of their own or the same', () => {
    const text = JSON.stringify({
      keys: [
        { ...jwk, kid: 'key-1' },
        { ...encryption, kid: 'key-1' },
        { ...encryption, kid: 'key-2', alg: 'RSA-OAEP' },
      ],
    });
    expect(parseJwks(text).map(({ kid, algorithm }) => [kid, algorithm])).toEqual([
      ['key-1', 'ES256'],
      ['key-1', 'RSA-OAEP-256'],
      ['key-2', 'RSA-OAEP'],
    ]);
  });

  it('are read from PEM and JWK, under the name they are given', () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const spki = publicKey.export({ type: 'spki', format: 'pem' }).toString();
    expect(parsePublicKey(spki, 'key-2')).toMatchObject({ kid: 'key-2', algorithm: 'EdDSA' });
    expect(parsePublicKey(JSON.stringify({ ...jwk, kid: 'own' }), undefined).kid).toBe('own');
    expect(parsePublicKey(JSON.stringify({ ...jwk, kid: 'own' }), 'key-3').kid).toBe('key-3');
  });

  it.each<[string, () => unknown]>([
    ['a private PEM', () => parsePublicKey(pem(), 'key-1')],
    ['a private JWK', () => parsePublicKey(JSON.stringify(key.key.export({ format: 'jwk' })), 'key-1')],
    ['a shared secret', () => parseJwks(JSON.stringify({ keys: [{ kty: 'oct', k: 'AAAA', kid: 'a' }] }))],
    ['a private key in a JWKS', () => parseJwks(JSON.stringify({ keys: [{ ...key.key.export({ format: 'jwk' }), kid: 'a' }] }))],
    ['a PEM without a name', () => parsePublicKey('-----BEGIN PUBLIC KEY-----', undefined)],
    ['a name that a signature cannot carry', () => parsePublicKey(JSON.stringify(jwk), 'a|b')],
    ['a name with quotes', () => parsePublicKey(JSON.stringify(jwk), 'a"b')],
    ['two keys of one name', () => parseJwks(JSON.stringify({ keys: [jwk, jwk] }))],
    ['a JWKS without a key for signatures', () => parseJwks(JSON.stringify({ keys: [{ ...encryption, kid: 'a' }] }))],
    ['an encryption key that cannot be used', () => parseJwks(JSON.stringify({ keys: [jwk, { ...encryption, kid: 'a', alg: 'RSA1_5' }] }))],
    [
      'two encryption keys of one name',
      () => parseJwks(JSON.stringify({ keys: [jwk, { ...encryption, kid: 'a' }, { ...encryption, kid: 'a' }] })),
    ],
    ['a signing key to encrypt to', () => parseEncryptionKey(JSON.stringify(jwk))],
    ['a private key to encrypt to', () => parseEncryptionKey(pem())],
    ['an empty JWKS', () => parseJwks('{"keys":[]}')],
    ['a JWKS that is none', () => parseJwks('[]')],
    ['no JSON', () => parseJwks('keys')],
    ['a key that is none', () => parseJwks('{"keys":[1]}')],
    ['an empty file', () => parsePublicKey('', 'key-1')],
  ])('are refused: %s', (_name, read) => {
    expect(read).toThrow(RegistrationError);
  });
});
