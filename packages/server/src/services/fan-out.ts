import type { Profile } from '../profiles/profile.ts';
import { getRecordType } from '../profiles/index.ts';
import { findRaisedEvents } from '../profiles/events.ts';
import { type Match, matchEvents, type NamedEvent } from '../registry/match-events.ts';
import { dayOf } from '../registry/moments.ts';
import { mayHaveEvents, readNextEvents, type StoredEvent } from '../registry/read-events.ts';
import type { Db } from '../store/database.ts';
import { addPendingEvents, type Gathering, setGatheringUntil } from '../store/pending-events.ts';
import { findNextRun } from './schedule.ts';

/**
 * From changes to what subscribers are to be told. Events are read in order; for each, the subscriptions that it concerns
 * are written down, and a job for each of them, in the transaction that says how far events were read.
 */
export interface FanOutParts {
  readonly db: Db;
  readonly profiles: readonly Profile[];
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Writes the jobs that tell subscribers, within the transaction. */
  readonly enqueue: (db: Db, due: readonly DueNotification[]) => Promise<void>;
}

export interface DueNotification {
  readonly subscriptionId: string;
  readonly partnerId: string;
  /** Absent: at once. */
  readonly runAt?: Date;
}

/** Name of the reader, whose cursor the migration made. */
const READER = 'subscriptions';
const EVENTS_A_TURN = 500;

/** One turn. Returns how many events were read: as many as a turn takes means that there may be more. */
export async function fanOut({ db, profiles, now, enqueue }: FanOutParts): Promise<{ read: number; isMore: boolean; due: number }> {
  if (!(await mayHaveEvents(db, READER))) return { read: 0, isMore: false, due: 0 };
  return await db.transaction().execute(async (transaction) => {
    const events = await readNextEvents(transaction, READER, EVENTS_A_TURN);
    const today = dayOf(now());
    const matches: Match[] = [];
    for (const [profile, recordTypeName, group] of groupEvents(profiles, events))
      matches.push(...(await matchEvents(transaction, profile, getRecordType(profile, recordTypeName), group, today)));
    const gathering = await addPendingEvents(
      transaction,
      matches.map(({ event, filterId }) => ({ seq: event.seq, filterId, eventTypes: event.eventTypes })),
    );
    const due = gathering.flatMap((one) => planNotification(one, now()));
    await setGatheringUntil(
      transaction,
      due.flatMap(({ subscriptionId, runAt }) => (runAt === undefined ? [] : [{ subscriptionId, until: runAt }])),
    );
    await enqueue(transaction, due);
    return { read: events.length, isMore: events.length === EVENTS_A_TURN, due: due.length };
  });
}

function groupEvents(profiles: readonly Profile[], events: readonly StoredEvent[]): (readonly [Profile, string, NamedEvent[]])[] {
  return profiles.flatMap((profile) => {
    const own = events
      .filter(({ registry }) => registry === profile.registry)
      .map((event): NamedEvent => ({ ...event, eventTypes: findRaisedEvents(profile, event) }));
    return [...Map.groupBy(own, ({ recordType }) => recordType)].map(([recordType, group]) => [profile, recordType, group] as const);
  });
}

/** One that gathers needs a job only where none is to come. */
function planNotification({ subscriptionId, partnerId, schedule, gatheringUntil }: Gathering, now: number): DueNotification[] {
  if (schedule === null) return [{ subscriptionId, partnerId }];
  if (gatheringUntil !== null && gatheringUntil.getTime() > now) return [];
  const runAt = findNextRun(schedule, new Date(now));
  // A schedule that has run out: what was gathered is told now rather than never.
  return [runAt === undefined ? { subscriptionId, partnerId } : { subscriptionId, partnerId, runAt }];
}
