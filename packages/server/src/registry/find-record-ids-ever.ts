import { CompiledQuery } from 'kysely';
import type { Db } from '../store/database.ts';
import type { IdentifierProbe } from './identifier-rows.ts';

/** Hash of an identifier, the same for the same one, from which it cannot be read. */
export type IdentifierHash = (registry: string, identifier: IdentifierProbe) => Buffer;

/** All records that have this identifier or ever had it, those that were deleted or erased among them. */
export async function findRecordIdsEver(db: Db, registry: string, identifier: IdentifierProbe, hash: IdentifierHash): Promise<string[]> {
  const { rows } = await db.executeQuery<{ id: string }>(
    CompiledQuery.raw(
      `select record_id as id from identifier where registry = $1 and type = $2 and value = $3 and record_type = $4
       union select record_id from erased_identifier where registry = $1 and hash = $5
       order by id`,
      [registry, identifier.type, identifier.value, identifier.recordType, hash(registry, identifier)],
    ),
  );
  return rows.map(({ id }) => id);
}
