import { sql } from 'kysely';
import type { Db } from './database.ts';

/** A place in the tree of places; `parent` is the code of the place around it. */
export interface Location {
  readonly code: string;
  readonly name: string;
  readonly type: string;
  readonly parent: string | null;
}

/** Tells one state of the table from another. */
export interface LocationsVersion {
  readonly count: number;
  readonly lastUpdated: Date | undefined;
}

const LOCATION_LOCK = 7_310_001;
const ROWS_PER_STATEMENT = 5_000;

export async function loadLocations(db: Db): Promise<Location[]> {
  return await db.selectFrom('location').select(['code', 'name', 'type', 'parent']).orderBy('code').execute();
}

export async function loadLocationsVersion(db: Db): Promise<LocationsVersion> {
  const row = await db
    .selectFrom('location')
    .select((e) => [e.fn.countAll<string>().as('count'), e.fn.max('updated_at').as('lastUpdated')])
    .executeTakeFirstOrThrow();
  return { count: Number(row.count), lastUpdated: row.lastUpdated ?? undefined };
}

/** Keeps other changes of the table out until the transaction `db` ends. */
export async function lockLocations(db: Db): Promise<void> {
  await sql`select pg_advisory_xact_lock(${LOCATION_LOCK})`.execute(db);
}

/** Adds and changes places; ones that are already so stay untouched. Returns how many were written. */
export async function putLocations(db: Db, locations: readonly Location[]): Promise<number> {
  let written = 0;
  for (let start = 0; start < locations.length; start += ROWS_PER_STATEMENT)
    written += await putSome(db, locations.slice(start, start + ROWS_PER_STATEMENT));
  return written;
}

async function putSome(db: Db, locations: readonly Location[]): Promise<number> {
  const result = await sql`
    insert into location as l (code, name, type, parent, updated_at)
      select code, name, type, parent, clock_timestamp() from jsonb_to_recordset(${JSON.stringify(locations)}::jsonb)
        as given (code text, name text, type text, parent text)
    on conflict (code) do update
      set name = excluded.name, type = excluded.type, parent = excluded.parent, updated_at = excluded.updated_at
      where (l.name, l.type, l.parent) is distinct from (excluded.name, excluded.type, excluded.parent)`.execute(db);
  return Number(result.numAffectedRows ?? 0n);
}
