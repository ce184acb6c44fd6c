import { generateKeyPairSync } from 'node:crypto';
import {
  type DecryptionKey,
  generateSigningKey,
  importDecryptionKey,
  importEncryptionKey,
  importPublicKey,
  publicEncryptionJwk,
  publicJwk,
  type SearchCriteria,
  SIGNATURE_DIALECTS,
} from '@dci/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DciAnswerError, type DciClient, type DciClientOptions } from '../src/index.ts';
import { connectTo, type Registry, startRegistry, verifyRequest, writeAnswer, writeEncryptedAnswer } from './support/registry.ts';

const PARTNER_KEY = generateSigningKey('EdDSA');
const BY_ID: SearchCriteria = { query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } };
const OWN = makeKey('rsa', 'own');
const publicOf = (key: DecryptionKey) => importEncryptionKey({ ...publicEncryptionJwk(key) });

function makeKey(kind: 'rsa' | 'ec', kid: string): DecryptionKey {
  const pair = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return importDecryptionKey(pair.privateKey.export({ format: 'jwk' }), { kid });
}

let registry: Registry;
beforeEach(async () => {
  registry = await startRegistry();
  registry.decryptionKey = makeKey('ec', 'registry');
});
afterEach(() => registry.close());

const connect = (options: Partial<DciClientOptions> = {}): DciClient =>
  connectTo(registry, { signingKey: PARTNER_KEY, decryptionKeys: [OWN], ...options });

function lastSearch(): Registry['requests'][number] {
  const sent = registry.requests.findLast(({ path }) => path.endsWith('/search'));
  if (sent === undefined) throw new Error('nothing was sent');
  return sent;
}

describe.each(SIGNATURE_DIALECTS)('the dialect %s', (dialect) => {
  it('is that of the request where it is chosen, and is read in the answer', async () => {
    registry.answer = (asked) => ({ body: writeAnswer(registry, asked, { dialect }) });
    const { items, signedBy } = await connect({ dialect }).search(BY_ID);
    expect([items.length, signedBy]).toEqual([1, registry.signingKey.kid]);
    expect(verifyRequest(lastSearch(), importPublicKey({ ...publicJwk(PARTNER_KEY) })).signedBy).toMatchObject({
      dialect,
      kid: PARTNER_KEY.kid,
    });
  });

  it('is refused in an answer that was changed', async () => {
    registry.answer = (asked) => ({ body: writeAnswer(registry, asked, { dialect }).replace('"c-1"', '"c-2"') });
    await expect(connect().search(BY_ID)).rejects.toThrow(DciAnswerError);
  });

  it('carries what is encrypted both ways', async () => {
    registry.answer = async (asked) => ({ body: await writeEncryptedAnswer(registry, asked, publicOf(OWN), { dialect }) });
    const { items } = await connect({ dialect, encrypt: true }).search(BY_ID);
    expect(items[0]?.data?.reg_records[0]?.['asked']).toEqual(BY_ID.query);
    const sent = lastSearch();
    expect(sent.body).not.toContain('847951632');
    expect(JSON.parse(sent.body)).toMatchObject({ header: { is_msg_encrypted: true }, message: { header: { kid: 'registry' } } });
  });
});

describe('encryption', () => {
  it('goes to the key that is given, where one is', async () => {
    registry.answer = async (asked) => ({ body: await writeEncryptedAnswer(registry, asked, publicOf(OWN)) });
    registry.decryptionKey = makeKey('rsa', 'given');
    await connect({ encrypt: publicOf(registry.decryptionKey) }).search(BY_ID);
    expect(JSON.parse(lastSearch().body)).toMatchObject({ message: { header: { kid: 'given', alg: 'RSA-OAEP-256' } } });
  });

  it('is not left out where the server has no key for it: nothing is sent', async () => {
    registry.decryptionKey = undefined;
    await expect(connect({ encrypt: true }).search(BY_ID)).rejects.toThrow('no key to encrypt to');
    expect(registry.requests.filter(({ path }) => path.endsWith('/search'))).toEqual([]);
  });

  it('of an answer is read though the request was in clear', async () => {
    registry.answer = async (asked) => ({ body: await writeEncryptedAnswer(registry, asked, publicOf(OWN)) });
    expect((await connect().search(BY_ID)).items).toHaveLength(1);
  });

  it.each<[string, (key: DecryptionKey) => Partial<DciClientOptions>, string]>([
    ['to a key that is not at hand', () => ({ decryptionKeys: [] }), 'cannot be opened'],
    ['to another key of the same id', () => ({ decryptionKeys: [makeKey('rsa', 'own')] }), 'cannot be opened'],
  ])('of an answer %s is an error', async (_name, options, words) => {
    registry.answer = async (asked) => ({ body: await writeEncryptedAnswer(registry, asked, publicOf(OWN)) });
    await expect(connect(options(OWN)).search(BY_ID)).rejects.toThrow(words);
  });

  it('of a request is not answered in clear', async () => {
    await expect(connect({ encrypt: true }).search(BY_ID)).rejects.toThrow('came in clear');
  });
});
