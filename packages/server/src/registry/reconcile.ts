import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { canonicalJson } from '@dci/protocol';
import type { PoolClient } from 'pg';
import { checkProfile } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Database } from '../store/database.ts';
import { readBody } from './document.ts';
import { type ColumnValue, recordTable, type SearchColumn, searchColumns } from './record-table.ts';

/**
 * Makes the record tables that a profile needs and extends them when it grows, while the server answers: a column is
 * added empty (instant), filled from the stored documents in batches, then indexed concurrently. Each step can be broken
 * off anywhere and is taken up by the next run; several processes may try at once, one works. It never removes or
 * retypes: a profile that asks for that is refused, with nothing changed.
 *
 * What a column was filled from is kept as its comment: the attribute's path, or `filling` until all rows have it.
 */
export class ProfileRefused extends Error {
  override readonly name = 'ProfileRefused';
  readonly problems: readonly string[];

  constructor(profile: Profile, problems: readonly string[]) {
    super(`the profile ${profile.registry} cannot be applied:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

const FILLING = 'filling';
const FILL_BATCH = 1_000;
// Any number: everyone who reconciles takes the same lock.
const RECONCILE_LOCK = 7_310_022;
const LOCK_RETRY_MS = 100;

/** Applies `profile`; resolves to what was done, in words, nothing when it was applied already. */
export async function reconcileProfile(
  database: Database,
  profile: Profile,
  note: (text: string) => void = () => undefined,
): Promise<string[]> {
  const problems = checkProfile(profile);
  if (problems.length > 0) throw new ProfileRefused(profile, problems);
  if (await isProfileApplied(database, profile)) return [];
  const client = await database.pool.connect();
  try {
    await lock(client);
    return await applyProfile(client, profile, note);
  } finally {
    await client.query('select pg_advisory_unlock($1)', [RECONCILE_LOCK]).then(
      () => client.release(),
      (error: Error) => client.release(error),
    );
  }
}

/** Whether the database has all that `profile` needs, in exactly this form. */
export async function isProfileApplied(database: Database, profile: Profile): Promise<boolean> {
  const applied = await database.pool.query('select 1 from profile_applied where registry = $1 and fingerprint = $2', [
    profile.registry,
    fingerprint(profile),
  ]);
  return applied.rowCount === 1;
}

/** Of everything that decides how tables and identifiers look. */
function fingerprint(profile: Profile): string {
  const tables = profile.recordTypes.map((recordType) => ({
    table: recordTable(profile, recordType),
    columns: searchColumns(recordType).map(({ name, sqlType, isIndexed, attribute }) => ({
      name,
      sqlType,
      isIndexed,
      path: attribute.path,
    })),
  }));
  const identifiers = profile.identifierTypes.map(({ code, recordType, unique }) => ({ code, recordType, unique }));
  return createHash('sha256').update(canonicalJson({ tables, identifiers })).digest('hex');
}

/** Asks again and again rather than waiting in a statement: its snapshot would hold up the concurrent index it waits for. */
async function lock(client: PoolClient): Promise<void> {
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [RECONCILE_LOCK]);
    if (rows[0]?.taken === true) return;
    await sleep(LOCK_RETRY_MS);
  }
}

interface TablePlan {
  readonly table: string;
  readonly recordType: RecordType;
  readonly exists: boolean;
  readonly missing: readonly SearchColumn[];
  /** Exist, but were not or not completely filled from the attribute's path. */
  readonly unfilled: readonly SearchColumn[];
}

async function applyProfile(client: PoolClient, profile: Profile, note: (text: string) => void): Promise<string[]> {
  const done: string[] = [];
  const tell = (text: string): void => {
    done.push(text);
    note(text);
  };
  const plans = await planTables(client, profile);
  for (const plan of plans) {
    if (!plan.exists) await createTable(client, plan, tell);
    else await extendTable(client, plan, tell);
    await createIndexes(client, plan, tell);
  }
  await settleIdentifiers(client, profile);
  await client.query(
    `insert into profile_applied (registry, fingerprint) values ($1, $2)
     on conflict (registry) do update set fingerprint = excluded.fingerprint, applied_at = now()`,
    [profile.registry, fingerprint(profile)],
  );
  return done;
}

async function planTables(client: PoolClient, profile: Profile): Promise<TablePlan[]> {
  const refusals: string[] = [];
  const plans: TablePlan[] = [];
  for (const recordType of profile.recordTypes) {
    const table = recordTable(profile, recordType);
    const present = await readColumns(client, table);
    const wanted = searchColumns(recordType);
    refusals.push(...findRefusals(table, present, wanted));
    const known = new Map(present.map((column) => [column.name, column]));
    plans.push({
      table,
      recordType,
      exists: present.length > 0,
      missing: wanted.filter((column) => !known.has(column.name)),
      unfilled: wanted.filter((column) => known.has(column.name) && known.get(column.name)?.comment !== column.attribute.path),
    });
  }
  if (refusals.length > 0) throw new ProfileRefused(profile, refusals);
  return plans;
}

interface PresentColumn {
  readonly name: string;
  readonly type: string;
  readonly comment: string | null;
}

async function readColumns(client: PoolClient, table: string): Promise<PresentColumn[]> {
  const { rows } = await client.query<PresentColumn>(
    `select attname as name, format_type(atttypid, atttypmod) as type, col_description(attrelid, attnum) as comment
     from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`,
    [table],
  );
  return rows;
}

function findRefusals(table: string, present: readonly PresentColumn[], wanted: readonly SearchColumn[]): string[] {
  return present
    .filter((column) => column.name.startsWith('a_'))
    .flatMap((column) => {
      const attribute = column.name.slice(2);
      const found = wanted.find((candidate) => candidate.name === column.name);
      if (found === undefined)
        return [
          `the attribute ${attribute} is no longer declared, but ${table} has it; to give it up, drop the column ${column.name} first`,
        ];
      if (found.sqlType !== column.type)
        return [
          `the attribute ${attribute} would change from ${column.type} to ${found.sqlType} in ${table}; declare it under another name, or drop the column ${column.name} first`,
        ];
      return [];
    });
}

async function createTable(client: PoolClient, plan: TablePlan, tell: (text: string) => void): Promise<void> {
  await inTransaction(client, async () => {
    await client.query(
      `create table ${plan.table} (
        id uuid primary key,
        version integer not null,
        body text not null,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
        ${plan.missing.map((column) => `, ${declareColumn(column)}`).join('')}
      )`,
    );
    for (const column of plan.missing) {
      await commentColumn(client, plan.table, column, column.attribute.path);
      if (column.isIndexed) await client.query(`create index ${indexName(plan.table, column)} on ${plan.table} (${column.name}, id)`);
    }
  });
  tell(`made the table ${plan.table}`);
}

async function extendTable(client: PoolClient, plan: TablePlan, tell: (text: string) => void): Promise<void> {
  for (const column of plan.missing) {
    await inTransaction(client, async () => {
      await client.query(`alter table ${plan.table} add column ${declareColumn(column)}`);
      await commentColumn(client, plan.table, column, FILLING);
    });
    tell(`added ${column.name} to ${plan.table}`);
  }
  const toFill = [...plan.missing, ...plan.unfilled];
  if (toFill.length === 0) return;
  for (const column of plan.unfilled) await commentColumn(client, plan.table, column, FILLING);
  const filled = await fillColumns(client, plan, toFill);
  for (const column of toFill) await commentColumn(client, plan.table, column, column.attribute.path);
  tell(`filled ${toFill.map((column) => column.name).join(', ')} of ${filled} records in ${plan.table}`);
}

interface StoredRow {
  readonly id: string;
  readonly version: number;
  readonly body: string;
}

async function fillColumns(client: PoolClient, plan: TablePlan, columns: readonly SearchColumn[]): Promise<number> {
  let after = '00000000-0000-0000-0000-000000000000';
  let filled = 0;
  for (;;) {
    const { rows } = await client.query<StoredRow>(
      `select id, version, body from ${plan.table} where id > $1 order by id limit ${FILL_BATCH}`,
      [after],
    );
    const last = rows.at(-1);
    if (last === undefined) return filled;
    await fillRows(client, plan, columns, rows);
    filled += rows.length;
    after = last.id;
  }
}

/** A record that was written meanwhile has a newer version, and its columns already. */
async function fillRows(client: PoolClient, plan: TablePlan, columns: readonly SearchColumn[], rows: readonly StoredRow[]): Promise<void> {
  const documents = rows.map((row) => readBody(plan.recordType, row.body));
  const values: ColumnValue[][] = columns.map((column) => documents.map((document) => column.read(document)));
  const names = columns.map((column) => column.name);
  await client.query(
    `update ${plan.table} as t set ${names.map((name) => `${name} = v.${name}`).join(', ')}
     from unnest($1::uuid[], $2::integer[], ${columns.map((column, index) => `$${index + 3}::${column.sqlType}[]`).join(', ')})
       as v (id, version, ${names.join(', ')})
     where t.id = v.id and t.version = v.version`,
    [rows.map((row) => row.id), rows.map((row) => row.version), ...values],
  );
}

/** An index that was broken off while it was made is there but not valid; it is made anew. */
async function createIndexes(client: PoolClient, plan: TablePlan, tell: (text: string) => void): Promise<void> {
  for (const column of searchColumns(plan.recordType).filter((candidate) => candidate.isIndexed)) {
    const name = indexName(plan.table, column);
    const { rows } = await client.query<{ valid: boolean }>('select indisvalid as valid from pg_index where indexrelid = to_regclass($1)', [
      name,
    ]);
    if (rows[0]?.valid === true) continue;
    if (rows[0] !== undefined) await client.query(`drop index concurrently ${name}`);
    await client.query(`create index concurrently ${name} on ${plan.table} (${column.name}, id)`);
    tell(`indexed ${column.name} of ${plan.table}`);
  }
}

/** Brings the uniqueness of identifiers that are there already in line with their types. */
async function settleIdentifiers(client: PoolClient, profile: Profile): Promise<void> {
  for (const type of profile.identifierTypes) {
    try {
      await client.query(
        'update identifier set is_unique = $1 where registry = $2 and record_type = $3 and type = $4 and is_unique <> $1',
        [type.unique, profile.registry, type.recordType, type.code],
      );
    } catch (error) {
      if ((error as { code?: unknown }).code !== UNIQUE_VIOLATION) throw error;
      throw new ProfileRefused(profile, [
        `${type.code} cannot become unique: several records of type ${type.recordType} share a value of it`,
      ]);
    }
  }
}

const UNIQUE_VIOLATION = '23505';

function declareColumn(column: SearchColumn): string {
  return `${column.name} ${column.sqlType}${column.sqlType === 'text' ? ' collate "C"' : ''}`;
}

async function commentColumn(client: PoolClient, table: string, column: SearchColumn, comment: string): Promise<void> {
  await client.query(`comment on column ${table}.${column.name} is '${comment.replaceAll("'", "''")}'`);
}

function indexName(table: string, column: SearchColumn): string {
  return `${table}_${column.name}`;
}

async function inTransaction(client: PoolClient, work: () => Promise<void>): Promise<void> {
  await client.query('begin');
  try {
    await work();
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}
