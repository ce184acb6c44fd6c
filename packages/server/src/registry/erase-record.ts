import { CompiledQuery } from 'kysely';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import type { IdentifierHash } from './find-record-ids-ever.ts';
import { recordTable } from './record-table.ts';

/**
 * What goes when a record is erased, beyond what its deletion took: a line for each table that may hold something of the
 * person; `$1` is the record's id. The notice of the deletion stays for those who must delete it too, the audit trail
 * stays for it holds ids and keyed hashes only. Of consents the terms stay, which the trail refers to, without what was
 * noted and the authority's own number; that they have ended opens nothing, and lets the notice still pass by them.
 */
const ERASED_WITH_A_RECORD: readonly string[] = [
  `delete from identifier where record_id = $1`,
  `delete from membership where group_id = $1 or member_id = $1`,
  `delete from change_event where record_id = $1 and kind <> 'DELETE'`,
  `delete from pending_event where record_id = $1 and kind <> 'DELETE'`,
  `update consent_event set terms = terms - 'note' - 'token' where consent_id in (select id from consent where record_id = $1)`,
  `update consent set erased_at = coalesce(erased_at, now()), token_id = null where record_id = $1`,
];

/** Erases what is left of a record that was deleted. `db` is in a transaction. Throws where the record is still there. */
export async function eraseRecord(db: Db, profile: Profile, recordId: string, hash: IdentifierHash): Promise<void> {
  for (const recordType of profile.recordTypes) {
    const { rows } = await db.executeQuery(
      CompiledQuery.raw(`select 1 from ${recordTable(profile, recordType)} where id = $1`, [recordId]),
    );
    if (rows.length > 0) throw new Error('a record must be deleted before it is erased');
  }
  await keepHashes(db, profile.registry, recordId, hash);
  for (const statement of ERASED_WITH_A_RECORD) await db.executeQuery(CompiledQuery.raw(statement, [recordId]));
}

/** So that the person, who knows his identifiers, can still be told who saw the record. */
async function keepHashes(db: Db, registry: string, recordId: string, hash: IdentifierHash): Promise<void> {
  const identifiers = await db
    .selectFrom('identifier')
    .select(['record_type as recordType', 'type', 'value'])
    .where('record_id', '=', recordId)
    .where('registry', '=', registry)
    .execute();
  if (identifiers.length === 0) return;
  await db
    .insertInto('erased_identifier')
    .values(identifiers.map((identifier) => ({ registry, hash: hash(registry, identifier), record_id: recordId })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
