import { createHash, createHmac, type JsonWebKey, timingSafeEqual } from 'node:crypto';
import { importPublicKey, publicJwk, type SigningKey, thumbprint } from '@dci/protocol';
import { CompactSign, compactVerify, decodeProtectedHeader } from 'jose';
import type { Pool } from 'pg';
import {
  type ChainHead,
  findLastCheckpoint,
  insertCheckpoint,
  loadChainHeads,
  lockCheckpoints,
  type StoredCheckpoint,
} from '../store/audit-checkpoints.ts';
import { inTransaction } from '../store/audit-partitions.ts';

/**
 * Signed statements of where the chains of the audit trail stand. Whoever rules the database can rebuild a chain, but not
 * these: the signature lets anybody verify them who has our public key, the authentication code, under a key that is not in
 * the database, shows that the key of the signature was ours. Each names the one before it by its digest.
 */
export interface CheckpointStatement {
  readonly number: number;
  /** ISO 8601. */
  readonly at: string;
  /** Base64url SHA-256 of the checkpoint before; null: there is none. */
  readonly previous: string | null;
  readonly heads: readonly ChainHead[];
  readonly dropped?: DroppedPartitions;
}

/** Rows that were taken away because their time was over. */
export interface DroppedPartitions {
  /** All rows before this moment, ISO 8601. */
  readonly before: string;
  readonly partitions: readonly string[];
  readonly rows: number;
  /** Where the chains stood at that moment: what follows is linked to these. */
  readonly heads: readonly ChainHead[];
}

export interface CheckpointKeys {
  readonly activeKey: () => SigningKey;
  /** Kept for this purpose alone. */
  readonly macKey: Buffer;
}

type Queryable = Pick<Pool, 'query'>;

/** What the key of the authentication codes is derived for. */
export const CHECKPOINT_KEY = 'audit checkpoint';

const TYPE = 'dci-audit-checkpoint';

/** Writes a checkpoint; `db` is in a transaction. `now` in epoch milliseconds. */
export async function writeCheckpoint(
  db: Queryable,
  { activeKey, macKey }: CheckpointKeys,
  now: number,
  dropped?: DroppedPartitions,
): Promise<StoredCheckpoint> {
  await lockCheckpoints(db);
  const last = await findLastCheckpoint(db);
  const statement: CheckpointStatement = {
    number: (last?.number ?? 0) + 1,
    at: new Date(now).toISOString(),
    previous: last === undefined ? null : digestCheckpoint(last),
    heads: await loadChainHeads(db),
    ...(dropped && { dropped }),
  };
  const key = activeKey();
  const jws = await new CompactSign(Buffer.from(JSON.stringify(statement)))
    .setProtectedHeader({ alg: key.algorithm, typ: TYPE, jwk: { ...publicJwk(key) } })
    .sign(key.key);
  const checkpoint = { number: statement.number, at: new Date(now), isDrop: dropped !== undefined, jws, mac: authenticate(macKey, jws) };
  await insertCheckpoint(db, checkpoint);
  return checkpoint;
}

/** Writes a checkpoint unless the last is younger than `everyMs`, or says the same. */
export async function keepCheckpoints(
  pool: Pool,
  keys: CheckpointKeys,
  now: number,
  everyMs: number,
): Promise<StoredCheckpoint | undefined> {
  return await inTransaction(pool, async (client) => {
    await lockCheckpoints(client);
    const last = await findLastCheckpoint(client);
    if (last !== undefined && now - last.at.getTime() < everyMs) return undefined;
    const before = last === undefined ? [] : readStatement(last).heads;
    if (JSON.stringify(before) === JSON.stringify(await loadChainHeads(client))) return undefined;
    return await writeCheckpoint(client, keys, now);
  });
}

/** What a checkpoint says. Throws an error that says what is wrong with it. */
export async function openCheckpoint(checkpoint: StoredCheckpoint, macKey: Buffer): Promise<CheckpointStatement> {
  const mac = authenticate(macKey, checkpoint.jws);
  if (checkpoint.mac.length !== mac.length || !timingSafeEqual(checkpoint.mac, mac))
    throw new Error('it was not written by this server, or under another DCI_KEY_ENCRYPTION_KEY');
  const statement = await verifyCheckpoint(checkpoint.jws);
  if (statement.number !== checkpoint.number || (statement.dropped !== undefined) !== checkpoint.isDrop)
    throw new Error('it stands in the place of another');
  return statement;
}

/** What a signed statement says, whoever kept it. Throws where its signature is not that of the key it names. */
export async function verifyCheckpoint(jws: string): Promise<CheckpointStatement> {
  const { jwk, typ } = decodeProtectedHeader(jws);
  if (typ !== TYPE || jwk === undefined) throw new Error('it is no checkpoint');
  const key = importPublicKey(jwk);
  const { payload } = await compactVerify(jws, key.key, { algorithms: [key.algorithm] });
  return JSON.parse(Buffer.from(payload).toString('utf8')) as CheckpointStatement;
}

/** The thumbprint of the key that signed. */
export function checkpointSigner(jws: string): string {
  return thumbprint(decodeProtectedHeader(jws).jwk as JsonWebKey);
}

export function digestCheckpoint({ jws }: Pick<StoredCheckpoint, 'jws'>): string {
  return createHash('sha256').update(jws).digest('base64url');
}

/** Says, so that nobody without the key can, that the trail was verified up to a checkpoint. */
export function authenticateMark(macKey: Buffer, checkpoint: Pick<StoredCheckpoint, 'jws'>): Buffer {
  return authenticate(macKey, `verified ${digestCheckpoint(checkpoint)}`);
}

function authenticate(macKey: Buffer, text: string): Buffer {
  return createHmac('sha256', macKey).update(text).digest();
}

/** Without a check: where nothing depends on it. */
function readStatement({ jws }: StoredCheckpoint): CheckpointStatement {
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8')) as CheckpointStatement;
}
