import { setTimeout as sleep } from 'node:timers/promises';

const LONGEST_MS = 3_600_000;
const LOOK_EVERY_MS = 500;

interface Pool {
  query(text: string): Promise<{ rows: { behind: string }[] }>;
}

/**
 * Waits until the server has carried an import on to all that follows changes of records (subscriptions, the match index
 * and so on): that is work of its own, once, and no part of a search. Throws where it does not come to an end.
 */
export async function waitForFollowers(pool: Pool, say: (text: string) => void): Promise<void> {
  const until = Date.now() + LONGEST_MS;
  for (let said = false; await isBehind(pool); said = true) {
    if (!said) say('waiting for what follows the changes of the import');
    if (Date.now() > until) throw new Error('what follows changes of records does not come to an end');
    await sleep(LOOK_EVERY_MS);
  }
}

// What is yet to be filled in with the records that are there, and what has not followed all events since.
const BEHIND = `select (select count(*) from event_cursor where last_seq < (select coalesce(max(seq), 0) from change_event))
  + (select count(*) from match_fill where not is_done) + (select count(*) from counted_type where not is_done)
  + (select count(*) from (values (exists (select from match_fill)), (exists (select from counted_type))) begun (yes) where not yes)
  as behind`;

async function isBehind(pool: Pool): Promise<boolean> {
  const { rows } = await pool.query(BEHIND);
  return rows[0]?.behind !== '0';
}
