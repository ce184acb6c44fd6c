import type { EncryptionKey, VerificationKey } from '@dci/protocol';
import { sql } from 'kysely';
import type { Db } from './database.ts';
import { deleteFetchedKeys, insertFetchedKey, loadFetchedKeys, writeJwk, useOf } from './partner-keys.ts';
import { NEXT_REVISION } from './partner-revision.ts';

/** Where a partner publishes its keys, and how looking there went. */
export interface PartnerJwks {
  readonly partnerId: string;
  readonly url: string;
  readonly attemptedAt: Date | null;
  /** The end of the last attempt; before `attemptedAt` while one is under way. */
  readonly finishedAt: Date | null;
  /** The end of the last attempt that succeeded. */
  readonly fetchedAt: Date | null;
  /** Until when the keys are used though the address may not answer. */
  readonly usableUntil: Date | null;
  /** Of the last attempt, where it failed. */
  readonly error: string | null;
}

/** A look at a partner's address that this process alone may now take. */
export interface Attempt {
  readonly partnerId: string;
  readonly url: string;
}

/** Keys found at an address, and for how long they are used though it may not answer. */
export interface UsableKeys {
  readonly keys: readonly (VerificationKey | EncryptionKey)[];
  readonly usableForSeconds: number;
}

export async function findPartnerJwks(db: Db, partnerId: string): Promise<PartnerJwks | undefined> {
  return await db
    .selectFrom('partner_jwks')
    .select([
      'partner_id as partnerId',
      'url',
      'attempted_at as attemptedAt',
      'finished_at as finishedAt',
      'fetched_at as fetchedAt',
      'usable_until as usableUntil',
      'error',
    ])
    .where('partner_id', '=', partnerId)
    .executeTakeFirst();
}

/** Registers the address in place of the one there was, if any. */
export async function putPartnerJwks(db: Db, { partnerId, url }: Attempt): Promise<void> {
  await db
    .insertInto('partner_jwks')
    .values({ partner_id: partnerId, url })
    .onConflict((conflict) =>
      conflict.column('partner_id').doUpdateSet({
        url,
        revision: NEXT_REVISION,
        attempted_at: null,
        finished_at: null,
        fetched_at: null,
        usable_until: null,
        error: null,
      }),
    )
    .execute();
}

/** Forgets the address and the keys that came from there, but for those that were revoked. */
export async function deletePartnerJwks(db: Db, partnerId: string): Promise<void> {
  await db.deleteFrom('partner_jwks').where('partner_id', '=', partnerId).execute();
  await deleteFetchedKeys(db, partnerId, await loadFetchedKeys(db, partnerId));
}

/** Undefined where anybody looked there less than `seconds` ago. */
export async function claimAttempt(db: Db, partnerId: string, seconds: number): Promise<Attempt | undefined> {
  return await db
    .updateTable('partner_jwks')
    .set({ attempted_at: sql<Date>`clock_timestamp()` })
    .where('partner_id', '=', partnerId)
    .where((where) => where.or([where('attempted_at', 'is', null), where('attempted_at', '<', secondsAgo(seconds))]))
    .returning(['partner_id as partnerId', 'url'])
    .executeTakeFirst();
}

/** Of active partners: those looked at longest ago, if that is more than `seconds` ago, or `afterFailure` where that look failed. */
export async function claimDueAttempts(
  db: Db,
  due: { readonly seconds: number; readonly afterFailure: number; readonly most: number },
): Promise<Attempt[]> {
  const wait = sql<Date>`case when jwks.error is null then ${secondsAgo(due.seconds)} else ${secondsAgo(due.afterFailure)} end`;
  return await db
    .updateTable('partner_jwks')
    .set({ attempted_at: sql<Date>`clock_timestamp()` })
    .where('partner_id', 'in', (select) =>
      select
        .selectFrom('partner_jwks as jwks')
        .innerJoin('partner', 'partner.id', 'jwks.partner_id')
        .select('jwks.partner_id')
        .where('partner.active', '=', true)
        .where((where) => where.or([where('jwks.attempted_at', 'is', null), where('jwks.attempted_at', '<', wait)]))
        .orderBy('jwks.attempted_at', (order) => order.asc().nullsFirst())
        .limit(due.most)
        .forUpdate('jwks')
        .skipLocked(),
    )
    .returning(['partner_id as partnerId', 'url'])
    .execute();
}

export async function recordFailure(db: Db, { partnerId, url }: Attempt, error: string): Promise<void> {
  await db
    .updateTable('partner_jwks')
    .set({ finished_at: sql<Date>`clock_timestamp()`, error })
    .where('partner_id', '=', partnerId)
    .where('url', '=', url)
    .execute();
}

/**
 * Keeps what was found in place of what was found before; true where that changed anything. A key that an operator
 * registered or revoked under the same id stays as it is. `db` is a transaction.
 */
export async function recordKeys(db: Db, { partnerId, url }: Attempt, { keys, usableForSeconds }: UsableKeys): Promise<boolean> {
  const row = await db
    .selectFrom('partner_jwks')
    .select('usable_until')
    .where('partner_id', '=', partnerId)
    .where('url', '=', url)
    .forUpdate()
    .executeTakeFirst();
  // Another address was registered meanwhile.
  if (row === undefined) return false;
  const changed = (await replaceFetchedKeys(db, partnerId, keys)) || row.usable_until === null;
  await db
    .updateTable('partner_jwks')
    .set({
      finished_at: sql<Date>`clock_timestamp()`,
      fetched_at: sql<Date>`clock_timestamp()`,
      usable_until: sql<Date>`clock_timestamp() + make_interval(secs => ${usableForSeconds})`,
      error: null,
      ...(changed ? { revision: NEXT_REVISION } : {}),
    })
    .where('partner_id', '=', partnerId)
    .execute();
  return changed;
}

/** Ends the use of keys whose time is over, and tells every process. The partners whose keys they were. */
export async function endStaleKeys(db: Db): Promise<string[]> {
  const ended = await db
    .updateTable('partner_jwks')
    .set({ usable_until: null, revision: NEXT_REVISION })
    .where('usable_until', '<=', sql<Date>`clock_timestamp()`)
    .returning('partner_id as partnerId')
    .execute();
  return ended.map(({ partnerId }) => partnerId);
}

async function replaceFetchedKeys(db: Db, partnerId: string, keys: readonly (VerificationKey | EncryptionKey)[]): Promise<boolean> {
  const kept = new Map((await loadFetchedKeys(db, partnerId)).map((key) => [`${key.use} ${key.kid}`, key]));
  const found = new Map(keys.map((key) => [`${useOf(key)} ${key.kid}`, key]));
  const isSame = (id: string): boolean => {
    const [before, after] = [kept.get(id), found.get(id)];
    return before !== undefined && after !== undefined && sameMembers(before.publicJwk, writeJwk(after));
  };
  const gone = [...kept].filter(([id]) => !isSame(id)).map(([, key]) => key);
  await deleteFetchedKeys(db, partnerId, gone);
  let changed = gone.length > 0;
  for (const [id, key] of found) if (!isSame(id)) changed = (await insertFetchedKey(db, partnerId, key)) || changed;
  return changed;
}

function sameMembers(one: object, other: object): boolean {
  const sorted = (object: object): string => JSON.stringify(Object.entries(object).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return sorted(one) === sorted(other);
}

function secondsAgo(seconds: number) {
  return sql<Date>`clock_timestamp() - make_interval(secs => ${seconds})`;
}
