import { createHmac } from 'node:crypto';
import type { Profile } from '../profiles/profile.ts';
import { eraseRecord } from '../registry/erase-record.ts';
import { findRecordIdsEver, type IdentifierHash } from '../registry/find-record-ids-ever.ts';
import type { RecordReference } from '../registry/change-records.ts';
import { deleteRecord } from '../registry/write.ts';
import { openAuditChain, takeChain } from '../store/audit.ts';
import type { Database } from '../store/database.ts';
import { forgetContents } from '../store/deliveries.ts';

/** What the key of the hashes is derived for. */
export const ERASED_IDENTIFIER_KEY = 'erased identifier';

export function createIdentifierHash(key: Buffer): IdentifierHash {
  return (registry, { recordType, type, value }) =>
    createHmac('sha256', key)
      .update(JSON.stringify([registry, recordType, type, value]))
      .digest();
}

export type Erasure =
  | { readonly status: 'erased'; readonly recordId: string }
  | { readonly status: 'not-found' }
  /** Several records have had the identifier; one of them must be named. */
  | { readonly status: 'ambiguous'; readonly recordIds: readonly string[] };

export interface ErasureOrder {
  readonly reference: RecordReference;
  /** One of several records that have had the identifier. */
  readonly recordId?: string | undefined;
  /** Why; stands in the audit trail. */
  readonly reason: string;
}

const NOBODY = '00000000-0000-0000-0000-000000000000';

/**
 * Erases a record: deletes it, which tells those who subscribed, then takes away its identifiers and its history. The audit
 * row of it is committed first. Done again after an interruption it finishes what was begun.
 */
export async function erasePerson(
  { db, pool }: Database,
  profile: Profile,
  { reference, recordId, reason }: ErasureOrder,
  { hash, now }: { readonly hash: IdentifierHash; readonly now: number },
): Promise<Erasure> {
  const found = await findRecordIdsEver(db, profile.registry, reference, hash);
  const chosen = recordId === undefined ? found : found.filter((id) => id === recordId);
  const [id, another] = chosen;
  if (id === undefined) return { status: 'not-found' };
  if (another !== undefined) return { status: 'ambiguous', recordIds: chosen };
  await openAuditChain(pool, await takeChain(pool)).commit(now, [
    {
      partnerId: NOBODY,
      partnerRevision: '0',
      senderId: 'operator',
      remoteAddress: '',
      action: 'erase',
      registry: profile.registry,
      messageId: '',
      legalBasis: reason,
      purposes: [],
      outcome: 'erased',
      itemCount: 1,
      recordCount: 0,
      disclosed: [{ entity: reference.recordType, records: [id] }],
    },
  ]);
  await deleteIfCurrent({ db, profile, reference, id });
  await db.transaction().execute(async (transaction) => {
    await eraseRecord(transaction, profile, id, hash);
    // Of whom each tells is not known; what is to be sent is made anew, without the record.
    await forgetContents(transaction, 0);
  });
  return { status: 'erased', recordId: id };
}

/** The record may be gone already, or the identifier may belong to another one now. */
async function deleteIfCurrent(record: {
  readonly db: Database['db'];
  readonly profile: Profile;
  readonly reference: RecordReference;
  readonly id: string;
}): Promise<void> {
  const { db, profile, reference, id } = record;
  const current = await db
    .selectFrom('identifier')
    .select(['record_type as recordType', 'type', 'value'])
    .where('registry', '=', profile.registry)
    .where('record_id', '=', id)
    .where('record_type', '=', reference.recordType)
    .where('valid_to', 'is', null)
    .where('is_unique', '=', true)
    .executeTakeFirst();
  if (current !== undefined) await deleteRecord(db, profile, current);
}
