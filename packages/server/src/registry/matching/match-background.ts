import { sql } from 'kysely';
import type { Profile, RecordType } from '../../profiles/profile.ts';
import type { Db } from '../../store/database.ts';
import { attributeColumn, recordTable } from '../record-table.ts';
import { latinWords } from './latin-name.ts';
import type { MatchBackground } from './weigh-match.ts';

/**
 * How many records there are and how common their names are, from what PostgreSQL knows of the table (`ANALYZE`): no record
 * is read, unless it knows nothing yet. A name that is not among the common ones has an equal part of what they leave. One that fewer than `leastBearers` have counts like one that so many have.
 */
export async function loadMatchBackground(
  db: Db,
  profile: Profile,
  recordType: RecordType,
  expectation: number,
  leastBearers = 1,
): Promise<MatchBackground> {
  const table = recordTable(profile, recordType);
  const population = await countRecords(db, table);
  const given = await loadShares(db, table, recordType, recordType.matching?.given[0], population);
  const family = await loadShares(db, table, recordType, recordType.matching?.family[0], population);
  const least = Math.min(1, leastBearers / population);
  return { population, expectation, nameShare: (role, word) => Math.max(least, (role === 'given' ? given : family)(word)) };
}

async function countRecords(db: Db, table: string): Promise<number> {
  const { rows } = await sql<{ rows: number }>`select reltuples as rows from pg_class where oid = to_regclass(${table})`.execute(db);
  const known = Math.round(rows[0]?.rows ?? 0);
  return known >= 1 ? known : await countSome(db, table);
}

const MOST_COUNTED = 10_000;

/** Of a table that was never analysed, and so holds few records, or has just been filled. */
async function countSome(db: Db, table: string): Promise<number> {
  const { rows } = await sql<{ rows: string }>`
    select count(*) as rows from (select 1 from ${sql.table(table)} limit ${sql.lit(MOST_COUNTED)}) few`.execute(db);
  return Math.max(1, Number(rows[0]?.rows ?? 0));
}

interface ColumnStatistics {
  readonly distinct: number;
  readonly values: readonly string[] | null;
  readonly shares: readonly number[] | null;
}

type Shares = (word: string) => number;

const UNKNOWN_SHARE = 0.001;

async function loadShares(db: Db, table: string, recordType: RecordType, path: string | undefined, population: number): Promise<Shares> {
  const attribute = recordType.attributes.find((candidate) => candidate.path === path);
  if (attribute === undefined) return () => UNKNOWN_SHARE;
  const { rows } = await sql<ColumnStatistics>`
    select n_distinct as distinct, most_common_vals::text::text[] as values, most_common_freqs as shares
    from pg_stats where schemaname = any (current_schemas(false)) and tablename = ${table} and attname = ${attributeColumn(attribute)}`.execute(
    db,
  );
  const [statistics] = rows;
  return statistics === undefined ? () => UNKNOWN_SHARE : readShares(statistics, population);
}

function readShares({ distinct, values, shares }: ColumnStatistics, population: number): Shares {
  const common = new Map<string, number>();
  for (const [index, value] of (values ?? []).entries())
    for (const word of latinWords(value)) common.set(word, (common.get(word) ?? 0) + (shares?.[index] ?? 0));
  // Below zero: a share of the rows.
  const names = distinct < 0 ? -distinct * population : distinct;
  const left = 1 - [...common.values()].reduce((sum, share) => sum + share, 0);
  const rare = Math.max(1 / population, Math.max(0, left) / Math.max(1, names - common.size));
  return (word) => common.get(word) ?? rare;
}
