import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import {
  CONTENT_KEY_BYTES,
  countSegments,
  type DecryptionKey,
  type ExtractFormat,
  type ExtractManifest,
  generateSigningKey,
  importDecryptionKey,
  importEncryptionKey,
  NONCE_PREFIX_BYTES,
  publicEncryptionJwk,
  SEGMENT_BYTES,
  sealSegment,
  signExtractManifest,
  type SigningKey,
  wrapContentKey,
} from '@dci/protocol';

/** An extract as a registry makes it, and what opens it. */
export interface SealedExtract {
  readonly manifest: ExtractManifest;
  readonly jws: string;
  readonly sealed: Buffer;
  /** The gzip file in it. */
  readonly packed: Buffer;
  readonly text: string;
  readonly signingKey: SigningKey;
  readonly decryptionKey: DecryptionKey;
}

export interface SealedExtractOptions {
  readonly rows: number;
  readonly format?: ExtractFormat;
  /** Instead of made-up rows. */
  readonly text?: string;
  /** Number of rows that the manifest states, where it is to be another. */
  readonly records?: number;
  /** What is in the file instead of the gzip of the rows. */
  readonly packed?: Buffer;
  /** How the recipient is written to; default `x25519`. */
  readonly kind?: 'rsa' | 'x25519';
  readonly signingKey?: SigningKey;
  readonly change?: (manifest: ExtractManifest) => ExtractManifest;
}

export async function sealExtract(options: SealedExtractOptions): Promise<SealedExtract> {
  const { rows, format = 'ndjson', signingKey = generateSigningKey('ES256'), change = (same: ExtractManifest) => same } = options;
  const text = options.text ?? writeRows(rows, format);
  const records = options.records ?? rows;
  const packed = options.packed ?? gzipSync(text, { level: 1 });
  const decryptionKey = makeKey(options.kind ?? 'x25519');
  const [key, noncePrefix] = [randomBytes(CONTENT_KEY_BYTES), randomBytes(NONCE_PREFIX_BYTES)];
  const segments = countSegments(packed.length);
  const sealed = Buffer.concat(
    Array.from({ length: segments }, (_, number) =>
      sealSegment(
        { key, noncePrefix },
        { number, isLast: number === segments - 1 },
        packed.subarray(number * SEGMENT_BYTES, (number + 1) * SEGMENT_BYTES),
      ),
    ),
  );
  const manifest = change({
    version: '1.0.0',
    extract_id: '019a8f4e-1111-7000-8000-000000000001',
    transaction_id: 't-1',
    reference_id: '1',
    sender_id: 'registry.example.org',
    recipient: 'partner.example.org',
    made_at: '2026-01-15T10:30:00Z',
    expires_at: '2026-01-22T10:30:00Z',
    registry: 'social',
    record_type: 'Person',
    format,
    compression: 'gzip',
    columns: [{ name: 'sex', attribute: 'sex', banding: 'as-it-is' }],
    pseudonym: { name: 'pseudonym', keyed_by: ['partner', 'columns'], columns: ['sex'] },
    filter: { query_type: 'idtype-value', query: { type: '*', value: '*' } },
    legal_basis: 'Statistics Act',
    field_rule: 'research',
    k_anonymity: {
      k: 10,
      quasi_identifiers: ['sex'],
      records,
      suppressed: 0,
      classes: records === 0 ? 0 : 1,
      smallest_class: records,
    },
    content: {
      bytes: sealed.length,
      sha256: sha256(sealed),
      segments,
      segment_bytes: SEGMENT_BYTES,
      plain: { bytes: packed.length, sha256: sha256(packed) },
    },
    encryption: {
      alg: 'A256GCM',
      nonce_prefix: noncePrefix.toString('base64url'),
      key: await wrapContentKey(key, importEncryptionKey({ ...publicEncryptionJwk(decryptionKey) })),
    },
  });
  return { manifest, jws: await signExtractManifest(manifest, signingKey), sealed, packed, text, signingKey, decryptionKey };
}

/** Pseudonyms do not compress, so that many rows make several segments. */
function writeRows(rows: number, format: ExtractFormat): string {
  const pseudonyms = Array.from({ length: rows }, () => randomBytes(24).toString('base64url'));
  if (format === 'csv') return ['pseudonym,sex', ...pseudonyms.map((pseudonym) => `${pseudonym},"fe""male\r\n"`), ''].join('\r\n');
  return pseudonyms.map((pseudonym) => `${JSON.stringify({ pseudonym, sex: 'female' })}\n`).join('');
}

function makeKey(kind: 'rsa' | 'x25519'): DecryptionKey {
  const { privateKey } = kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('x25519');
  return importDecryptionKey(privateKey.export({ format: 'jwk' }), { kid: 'enc-1' });
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
