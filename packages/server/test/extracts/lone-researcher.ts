import { generateSigningKey, importEncryptionKey, importPublicKey, publicEncryptionJwk, publicJwk } from '@dci/protocol';
import { BUILT_IN_PROFILES } from '../../src/profiles/index.ts';
import { registerPartner } from '../../src/services/register-partner.ts';
import { openSearchFixture, type SearchFixture } from '../search/search-fixture.ts';
import { makeCounted, putCounted } from '../statistics/counted-population.ts';
import { DECRYPTION_KEYS } from '../trust/trust-fixture.ts';

/** A registry without a server, and a partner of it that may have extracts. */
export async function openLoneResearcher(senderId: string): Promise<SearchFixture> {
  const fixture = await openSearchFixture({ persons: [], households: [] });
  await putCounted(fixture.database, makeCounted(300));
  const [key] = DECRYPTION_KEYS;
  if (key === undefined) throw new Error('no key');
  await registerPartner(fixture.database.db, BUILT_IN_PROFILES, {
    senderId,
    terms: { registries: ['social'], scopes: ['registry/export'], legalBasis: 'law', fields: 'research' },
    keys: [importPublicKey({ ...publicJwk(generateSigningKey('ES256')) }), importEncryptionKey({ ...publicEncryptionJwk(key) })],
  });
  return fixture;
}
