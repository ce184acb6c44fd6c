import { CompiledQuery } from 'kysely';
import type { Db } from '../store/database.ts';
import { identifierKey, type RecordIdentifier } from './identifier.ts';

/** An identifier and the record type in which it is looked for. */
export interface IdentifierProbe {
  readonly recordType: string;
  readonly type: string;
  readonly value: string;
}

export interface IdentifierRow extends RecordIdentifier {
  readonly recordType: string;
  readonly recordId: string;
}

export function probeKey(probe: IdentifierProbe): string {
  return `${probe.recordType}\0${identifierKey(probe)}`;
}

/**
 * The records that currently have these unique identifiers, by `probeKey`. `offset 0` keeps it one index probe each, also
 * in a table that grew too fast for its statistics.
 */
export async function findRecordIds(db: Db, registry: string, probes: readonly IdentifierProbe[]): Promise<Map<string, string>> {
  if (probes.length === 0) return new Map();
  const { rows } = await db.executeQuery<{ key: number; id: string }>(
    CompiledQuery.raw(
      `select w.key::integer, i.record_id as id
       from unnest($2::text[], $3::text[], $4::text[]) with ordinality as w (record_type, type, value, key)
       cross join lateral (
         select record_id from identifier
         where registry = $1 and record_type = w.record_type and type = w.type and value = w.value and valid_to is null and is_unique
         offset 0
       ) as i`,
      [registry, probes.map((probe) => probe.recordType), probes.map((probe) => probe.type), probes.map((probe) => probe.value)],
    ),
  );
  return new Map(rows.flatMap(({ key, id }) => probes.slice(key - 1, key).map((probe) => [probeKey(probe), id] as const)));
}

/** Current identifiers, by record; those that nobody shares come first. */
export async function readIdentifiers(db: Db, recordIds: readonly string[]): Promise<Map<string, { type: string; value: string }[]>> {
  const found = new Map<string, { type: string; value: string }[]>();
  if (recordIds.length === 0) return found;
  const { rows } = await db.executeQuery<{ id: string; type: string; value: string }>(
    CompiledQuery.raw(
      `select record_id as id, type, value from identifier where record_id = any($1::uuid[]) and valid_to is null
       order by is_unique desc, type, value`,
      [recordIds],
    ),
  );
  for (const { id, type, value } of rows) {
    const known = found.get(id);
    if (known === undefined) found.set(id, [{ type, value }]);
    else known.push({ type, value });
  }
  return found;
}

/** In the order of their keys, so that two writers of the same identifiers wait for each other instead of dying. */
export async function insertIdentifiers(db: Db, registry: string, rows: readonly IdentifierRow[]): Promise<void> {
  if (rows.length === 0) return;
  const sorted = rows.toSorted((a, b) => (probeKey(a) < probeKey(b) ? -1 : 1));
  await db.executeQuery(
    CompiledQuery.raw(
      `insert into identifier (registry, record_type, type, value, record_id, is_unique, valid_from)
       select $1, v.*, clock_timestamp() from unnest($2::text[], $3::text[], $4::text[], $5::uuid[], $6::boolean[]) as v`,
      [
        registry,
        sorted.map((row) => row.recordType),
        sorted.map((row) => row.type),
        sorted.map((row) => row.value),
        sorted.map((row) => row.recordId),
        sorted.map((row) => row.isUnique),
      ],
    ),
  );
}

/** They match no more, but stay on record. */
export async function retireIdentifiers(
  db: Db,
  registry: string,
  rows: readonly { readonly recordId: string; readonly type: string; readonly value: string }[],
): Promise<void> {
  if (rows.length === 0) return;
  await db.executeQuery(
    CompiledQuery.raw(
      `update identifier i set valid_to = clock_timestamp()
       from unnest($2::uuid[], $3::text[], $4::text[]) as v (record_id, type, value)
       where i.registry = $1 and i.record_id = v.record_id and i.type = v.type and i.value = v.value and i.valid_to is null`,
      [registry, rows.map((row) => row.recordId), rows.map((row) => row.type), rows.map((row) => row.value)],
    ),
  );
}
