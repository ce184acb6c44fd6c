import type { PoolClient } from 'pg';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { readBody } from '../registry/document.ts';
import { loadMatchBackground } from '../registry/matching/match-background.ts';
import { type MatchSubject, readMatchSubject } from '../registry/matching/match-subject.ts';
import { type Match, type MatchBackground, weighMatch } from '../registry/matching/weigh-match.ts';
import { recordTable } from '../registry/record-table.ts';
import type { Database } from '../store/database.ts';

/**
 * Records of one registry that seem to be of one person, for whoever runs it: every two records that meet under a key are
 * compared. Read as it goes, at constant memory but for the pairs that are reported. Keys under which very many meet say
 * little and are passed over; they are counted.
 */
export interface DuplicatePair extends Match {
  /** Ids of the records, the older first. */
  readonly records: readonly [string, string];
}

export interface DuplicateSearch {
  readonly profile: Profile;
  readonly recordType: RecordType;
  /** Least probability that is reported, 0 to 1. */
  readonly least: number;
  readonly tell: (progress: DuplicateProgress) => void;
}

export interface DuplicateProgress {
  readonly keys: number;
  readonly compared: number;
  /** Keys that were passed over. */
  readonly crowded: number;
}

/** Share of the records that are likely to have another one of the same person. */
const EXPECTED_SHARE = 0.02;
const MOST_UNDER_ONE_KEY = 100;
const KEYS_AT_ONCE = 500;

export async function* findDuplicates(database: Database, search: DuplicateSearch): AsyncGenerator<DuplicatePair> {
  const { profile, recordType, least, tell } = search;
  const background = await loadMatchBackground(database.db, profile, recordType, EXPECTED_SHARE);
  const reported = new Set<string>();
  const progress = { keys: 0, compared: 0, crowded: 0 };
  for await (const { blocks, crowded, subjects } of readBlocks(database, profile, recordType)) {
    progress.keys += blocks.length;
    progress.crowded += crowded;
    for (const block of blocks)
      for (const pair of comparePairs(block, subjects, background)) {
        progress.compared += 1;
        const name = pair.records.join(' ');
        if (pair.probability < least || reported.has(name)) continue;
        reported.add(name);
        yield pair;
      }
    tell({ ...progress });
  }
}

function* comparePairs(
  ids: readonly string[],
  subjects: ReadonlyMap<string, MatchSubject>,
  background: MatchBackground,
): Generator<DuplicatePair> {
  for (const [index, one] of ids.entries())
    for (const other of ids.slice(index + 1)) {
      const [left, right] = [subjects.get(one), subjects.get(other)];
      if (left !== undefined && right !== undefined) yield { records: [one, other], ...weighMatch(left, right, background) };
    }
}

interface Blocks {
  readonly blocks: readonly (readonly string[])[];
  readonly crowded: number;
  readonly subjects: ReadonlyMap<string, MatchSubject>;
}

/** Groups of records that share a key, in the order of the keys, some at a time. */
async function* readBlocks(database: Database, profile: Profile, recordType: RecordType): AsyncGenerator<Blocks> {
  const client = await database.pool.connect();
  let isBroken: Error | undefined;
  try {
    await client.query('begin isolation level repeatable read read only');
    await client.query(
      `declare blocks no scroll cursor for
       select array_agg(record_id order by record_id)::text[] as ids
       from (select record_id, unnest(keys) as key from match_index where registry = $1 and record_type = $2) as keyed
       group by key having count(*) > 1 order by key`,
      [profile.registry, recordType.name],
    );
    for (;;) {
      const { rows } = await client.query<{ ids: string[] }>(`fetch ${KEYS_AT_ONCE} from blocks`);
      if (rows.length === 0) break;
      const blocks = rows.map(({ ids }) => ids).filter((ids) => ids.length <= MOST_UNDER_ONE_KEY);
      yield { blocks, crowded: rows.length - blocks.length, subjects: await readSubjects(client, profile, recordType, blocks.flat()) };
    }
  } catch (error) {
    isBroken = error instanceof Error ? error : new Error(String(error));
    throw error;
  } finally {
    await client.query('rollback').catch(() => undefined);
    client.release(isBroken);
  }
}

async function readSubjects(
  client: PoolClient,
  profile: Profile,
  recordType: RecordType,
  ids: readonly string[],
): Promise<ReadonlyMap<string, MatchSubject>> {
  const { rows } = await client.query<{ id: string; body: string }>(
    `select id, body from ${recordTable(profile, recordType)} where id = any($1::uuid[])`,
    [[...new Set(ids)]],
  );
  return new Map(
    rows.flatMap(({ id, body }) => {
      const subject = readMatchSubject(recordType, readBody(recordType, body));
      return subject === undefined ? [] : [[id, subject] as const];
    }),
  );
}
