import { sql } from 'kysely';
import type { Db } from './database.ts';
import { DELIVER } from './deliveries.ts';

/** Which receivers do not answer, as all processes see it: after some failures in a row nobody calls for a while. */

const CLOSED_AFTER = 5;
const FIRST_PAUSE_SECONDS = 15;
const LONGEST_PAUSE_SECONDS = 300;
const REASON = 'the receiver does not answer';

/** Counts failures of queues of deliveries, and holds those that have failed too often in a row, each time for longer. */
export async function noteTrouble(db: Db, owners: readonly string[]): Promise<void> {
  if (owners.length === 0) return;
  await sql`
    with counted as (
      insert into receiver_trouble as known (owner, failures)
      select owner, count(*) from unnest(${[...owners]}::text[]) as failed (owner) group by owner order by owner
      on conflict (owner) do update set failures = known.failures + excluded.failures
      returning owner, failures
    )
    insert into job_hold as known (kind, owner, until, reason)
    select ${DELIVER}, owner,
      now() + least(${LONGEST_PAUSE_SECONDS}, ${FIRST_PAUSE_SECONDS} * 2 ^ least(failures / ${CLOSED_AFTER} - 1, 10)) * interval '1 second', ${REASON}
    from counted where failures >= ${CLOSED_AFTER}
    on conflict (kind, owner, lane) do update set until = excluded.until, since = now() where known.until is not null`.execute(db);
}

/** A receiver has answered: what was held for it goes on. */
export async function clearTrouble(db: Db, owners: readonly string[]): Promise<void> {
  if (owners.length === 0) return;
  await sql`delete from receiver_trouble where owner = any (${[...owners]}::text[])`.execute(db);
  await sql`
    delete from job_hold
    where kind = ${DELIVER} and owner = any (${[...owners]}::text[]) and lane = '' and reason = ${REASON} and until is not null`.execute(
    db,
  );
}

/** A receiver asks not to be called before a time. */
export async function respectPause(db: Db, owner: string, until: Date): Promise<void> {
  await sql`
    insert into job_hold as known (kind, owner, until, reason) values (${DELIVER}, ${owner}, ${until}, 'the receiver asks to wait')
    on conflict (kind, owner, lane) do update set until = greatest(known.until, excluded.until) where known.until is not null`.execute(db);
}
