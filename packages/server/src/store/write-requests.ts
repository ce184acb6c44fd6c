import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Requests to write that carried a key, and their answers, kept for a day. */

export interface WriteRequestKey {
  readonly partnerId: string;
  readonly key: string;
  readonly requestHash: Buffer;
}

export type KeyClaim =
  | { readonly status: 'claimed' }
  | { readonly status: 'known'; readonly requestHash: Buffer; readonly answer: string | null };

const NOW = sql<Date>`now()`;
const IN_A_DAY = sql<Date>`now() + interval '1 day'`;

/** Waits for a request under way with the same key; a key that has expired is free. `db`: a transaction. */
export async function claimWriteKey(db: Db, { partnerId, key, requestHash }: WriteRequestKey): Promise<KeyClaim> {
  const inserted = await db
    .insertInto('write_request')
    .values({ partner_id: partnerId, key, request_hash: requestHash, expires_at: IN_A_DAY })
    .onConflict((conflict) =>
      conflict
        .columns(['partner_id', 'key'])
        .doUpdateSet({ request_hash: requestHash, answer: null, expires_at: IN_A_DAY })
        .where('write_request.expires_at', '<', NOW),
    )
    .executeTakeFirst();
  if (inserted.numInsertedOrUpdatedRows === 1n) return { status: 'claimed' };
  const known = await db
    .selectFrom('write_request')
    .select(['request_hash as requestHash', 'answer'])
    .where('partner_id', '=', partnerId)
    .where('key', '=', key)
    .executeTakeFirstOrThrow();
  return { status: 'known', ...known };
}

export async function keepWriteAnswer(db: Db, { partnerId, key }: WriteRequestKey, answer: string): Promise<void> {
  await db.updateTable('write_request').set({ answer }).where('partner_id', '=', partnerId).where('key', '=', key).execute();
}
