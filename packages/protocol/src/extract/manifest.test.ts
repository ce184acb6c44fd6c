import { randomBytes } from 'node:crypto';
import { CompactSign } from 'jose';
import { describe, expect, it } from 'vitest';
import { generateSigningKey, importPublicKey, publicJwk } from '../signature/keys.ts';
import { type ExtractManifest, parseExtractManifest } from './manifest.ts';
import { EXTRACT_MANIFEST_TYPE, LONGEST_MANIFEST, signExtractManifest, verifyExtractManifest } from './manifest-signature.ts';

const MANIFEST: ExtractManifest = {
  version: '1.0.0',
  extract_id: '019a8f4e-1111-7000-8000-000000000001',
  transaction_id: 't-1',
  reference_id: '1',
  sender_id: 'registry',
  recipient: 'university',
  made_at: '2026-01-15T10:30:00Z',
  expires_at: '2026-01-22T10:30:00Z',
  registry: 'social',
  record_type: 'Person',
  format: 'csv',
  compression: 'gzip',
  columns: [
    { name: 'region', attribute: 'region', banding: 'as-it-is' },
    { name: 'district', attribute: 'district', banding: 'as-it-is', within: 'region' },
    { name: 'age_band', attribute: 'age', banding: { from: 0, bounds: [5, 18, 60] } },
    { name: 'registration_month', attribute: 'registration_date', banding: 'month' },
  ],
  pseudonym: {
    name: 'pseudonym',
    keyed_by: ['partner', 'columns'],
    columns: ['region', 'district', 'age_band', 'registration_month', 'sex'],
  },
  filter: {
    query_type: 'predicate',
    query: [{ seq_num: 1, expression1: { attribute_name: 'sex', operator: 'eq', attribute_value: 'female' } }],
  },
  purpose: 'study',
  legal_basis: 'Statistics Act, section 4',
  field_rule: 'research',
  k_anonymity: {
    k: 10,
    quasi_identifiers: ['region', 'district', 'age_band', 'registration_month', 'sex'],
    records: 1000,
    suppressed: 12,
    classes: 40,
    smallest_class: 10,
  },
  content: {
    bytes: 1_048_609,
    sha256: 'b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c',
    segments: 2,
    segment_bytes: 1_048_576,
    plain: { bytes: 1_048_577, sha256: '7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730' },
  },
  encryption: {
    alg: 'A256GCM',
    nonce_prefix: randomBytes(7).toString('base64url'),
    key: {
      header: { alg: 'RSA-OAEP-256', enc: 'A256GCM', kid: 'enc-1' },
      encrypted_key: 'OKOawDo13gRp',
      iv: '48V1_ALb6US04U3b',
      ciphertext: '5eym8TW_c8SuK0lt',
      tag: 'XFBoMYUZodetZdvT',
    },
  },
};

/** With another value, or without one (undefined), at a place. */
function altered(pointer: string, value: unknown): unknown {
  const copy = structuredClone(MANIFEST) as unknown as Record<string, unknown>;
  const path = pointer.split('/').slice(1);
  const name = path.pop() ?? '';
  const place = path.reduce((object, step) => object[step] as Record<string, unknown>, copy);
  if (value === undefined) delete place[name];
  else place[name] = value;
  return copy;
}

describe('a manifest', () => {
  it('is read', () => {
    expect(parseExtractManifest(structuredClone(MANIFEST))).toEqual(MANIFEST);
  });

  it('of an empty extract without pseudonyms is read', () => {
    const { pseudonym: _, ...rest } = MANIFEST;
    const { suppressed: __, ...anonymity } = MANIFEST.k_anonymity;
    const empty = { ...rest, k_anonymity: { ...anonymity, records: 0, classes: 0, smallest_class: 0 } };
    expect(parseExtractManifest(empty)).toEqual(empty);
  });

  it.each([
    ['/version', '1.1.0'],
    ['/version', undefined],
    ['/extract_id', '../../etc'],
    ['/recipient', ''],
    ['/made_at', '2026-01-15'],
    ['/format', 'xml'],
    ['/compression', 'none'],
    ['/columns', []],
    ['/columns/0/banding', 'day'],
    ['/columns/0/surprise', 1],
    ['/surprise', 1],
    ['/filter/query', 1],
    ['/k_anonymity/k', 1],
    ['/k_anonymity/suppressed', 3],
    ['/k_anonymity/smallest_class', 9],
    ['/k_anonymity/smallest_class', undefined],
    ['/k_anonymity/classes', 0],
    ['/k_anonymity/classes', 101],
    ['/k_anonymity/quasi_identifiers', ['region']],
    ['/content/sha256', 'B5BB9D8014A0F9B1D61E21E796D78DCCDF1352F23CD32812F4850B878AE4944C'],
    ['/content/segments', 1],
    ['/content/segments', 3],
    ['/content/bytes', 1_048_593],
    ['/content/segment_bytes', 65_536],
    ['/content/plain/bytes', -1],
    ['/encryption/alg', 'A128GCM'],
    ['/encryption/nonce_prefix', 'AAAAAAAAAB'],
    ['/encryption/nonce_prefix', 'AAAAAAAAAAAA'],
    ['/encryption/key', 'a key'],
  ])('is refused with %s = %j', (pointer, value) => {
    expect(() => parseExtractManifest(altered(pointer, value))).toThrow(expect.objectContaining({ code: 'err.request.bad' }));
  });

  it('is refused with two columns of one name, the pseudonym counted', () => {
    const [column] = MANIFEST.columns;
    const refusal = expect.objectContaining({ code: 'err.request.bad', pointer: '/columns' });
    expect(() => parseExtractManifest(altered('/columns/1', column))).toThrow(refusal);
    expect(() => parseExtractManifest(altered('/pseudonym/name', 'region'))).toThrow(refusal);
  });
});

describe.each(['ES256', 'EdDSA'] as const)('its signature by %s', (algorithm) => {
  const own = generateSigningKey(algorithm);
  const known = importPublicKey({ ...publicJwk(own) });
  const find = (kid: string) => (kid === known.kid ? known : undefined);
  const refusal = { code: 'err.signature.invalid' };

  it('is verified', async () => {
    const jws = await signExtractManifest(MANIFEST, own);
    expect(await verifyExtractManifest(jws, find)).toEqual(MANIFEST);
    const [header = ''] = jws.split('.');
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({ alg: algorithm, kid: own.kid, typ: EXTRACT_MANIFEST_TYPE });
  });

  it('is refused when a bit of the manifest is another', async () => {
    const [header = '', payload = '', signature = ''] = (await signExtractManifest(MANIFEST, own)).split('.');
    const other = Buffer.from(JSON.stringify({ ...MANIFEST, recipient: 'universitz' })).toString('base64url');
    expect(other.length).toBe(payload.length);
    await expect(verifyExtractManifest(`${header}.${other}.${signature}`, find)).rejects.toMatchObject(refusal);
  });

  it('is refused from a key that is not known, even under the name of one that is', async () => {
    const other = generateSigningKey(algorithm);
    await expect(verifyExtractManifest(await signExtractManifest(MANIFEST, other), find)).rejects.toMatchObject(refusal);
    await expect(verifyExtractManifest(await signExtractManifest(MANIFEST, { ...other, kid: own.kid }), find)).rejects.toMatchObject(
      refusal,
    );
  });

  it('is refused when something else was signed by that key', async () => {
    const sign = (header: Record<string, string>) =>
      new CompactSign(Buffer.from(JSON.stringify(MANIFEST))).setProtectedHeader({ alg: algorithm, kid: own.kid, ...header }).sign(own.key);
    await expect(verifyExtractManifest(await sign({ typ: 'dci-audit-checkpoint' }), find)).rejects.toMatchObject(refusal);
    await expect(verifyExtractManifest(await sign({}), find)).rejects.toMatchObject(refusal);
  });

  it('is refused where what was signed is no manifest', async () => {
    const header = { alg: algorithm, kid: own.kid, typ: EXTRACT_MANIFEST_TYPE };
    for (const text of ['{"version":"1.0.0"}', 'not JSON', JSON.stringify(MANIFEST).replace('{', '{"version":"1.0.0",')]) {
      const jws = await new CompactSign(Buffer.from(text)).setProtectedHeader(header).sign(own.key);
      await expect(verifyExtractManifest(jws, find)).rejects.toMatchObject({ code: 'err.request.bad' });
    }
  });

  it.each(['', 'a.b', 'not a JWS', `${'a'.repeat(LONGEST_MANIFEST)}.b.c`])('is refused where there is none', async (text) => {
    await expect(verifyExtractManifest(text, find)).rejects.toMatchObject(refusal);
  });
});
