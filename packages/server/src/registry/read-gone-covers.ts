import { CompiledQuery } from 'kysely';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { compileGoneCover } from './compile-consent.ts';
import type { ConsentTerms } from './sight.ts';
import { createParameters } from './sql.ts';

/** The consents under which records that are gone may be told of, by the number of the event of their deletion; JSON text as `FoundRecord.cover`. */
export async function readGoneCovers(db: Db, profile: Profile, terms: ConsentTerms, seqs: readonly string[]): Promise<Map<string, string>> {
  const parameters = createParameters([seqs]);
  const cover = compileGoneCover(terms, { profile, alias: 'r', parameters, wentAt: 'r.at' });
  const { rows } = await db.executeQuery<{ seq: string; cover: string | null }>(
    CompiledQuery.raw(
      `select r.seq::text, ${cover} as cover from (select seq, record_id as id, at from change_event where seq = any($1::bigint[])) as r`,
      [...parameters.values],
    ),
  );
  return new Map(rows.flatMap(({ seq, cover: found }) => (found === null ? [] : [[seq, found] as const])));
}
