import { CompiledQuery } from 'kysely';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { compileFilter } from './compile-filter.ts';
import { type Document, readBody } from './document.ts';
import { type FilterKey, listRecordKeys } from './filter-keys.ts';
import { type FilterText, readFilter } from './filter-text.ts';
import { takeIdentifiers } from './identifier.ts';
import { meetsFilter, type GoneRecord } from './meets-filter.ts';
import { deriveAgesIn } from './passes/derive-ages.ts';
import type { Filter } from './plan.ts';
import type { StoredEvent } from './read-events.ts';
import { recordTable } from './record-table.ts';
import { relateFilter } from './relate.ts';
import { createParameters, type Parameters, tableOf } from './sql.ts';

/**
 * Which filters of subscriptions the records of a batch of changes meet. Filters are found by the keys of the records;
 * each that a key alone does not settle is held against all its candidates of the batch at once. What is not found by a
 * key is not looked at, so the cost does not grow with the number of subscriptions.
 */
export interface NamedEvent extends StoredEvent {
  /** The names under which it is subscribed to. */
  readonly eventTypes: readonly string[];
}

export interface Match {
  readonly event: NamedEvent;
  readonly filterId: string;
}

/** `events`: of one record type of `profile`. `today`: the day on which ages are counted. */
export async function matchEvents(
  db: Db,
  profile: Profile,
  recordType: RecordType,
  events: readonly NamedEvent[],
  today: string,
): Promise<Match[]> {
  if (!(await isWatched(db, profile, recordType))) return [];
  const states = await readStates(db, profile, recordType, events);
  const candidates = await findCandidates(db, profile, recordType, states);
  const open = candidates.filter(({ isExact }) => !isExact);
  const filters = await loadFilters(db, profile, [...new Set(open.map(({ filterId }) => filterId))], today);
  const met = await meetAll(db, profile, recordType, open, filters);
  return candidates
    .filter(({ state, filterId, isExact }) => isExact || met.has(pairKey(filterId, state)))
    .map(({ state, filterId }) => ({ event: state.event, filterId }));
}

/** Whether anybody subscribes to records of this type: an import into a registry without subscribers reads no record anew. */
async function isWatched(db: Db, profile: Profile, recordType: RecordType): Promise<boolean> {
  const found = await db
    .selectFrom('subscription_filter')
    .select('id')
    .where('registry', '=', profile.registry)
    .where('record_type', '=', recordType.name)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

interface State {
  readonly event: NamedEvent;
  readonly record: GoneRecord;
  readonly isGone: boolean;
}

/** The record of each event as it is now, or as it was when it was deleted. Of one that is gone only its end can be told. */
async function readStates(db: Db, profile: Profile, recordType: RecordType, events: readonly NamedEvent[]): Promise<State[]> {
  const ids = [...new Set(events.filter(({ kind }) => kind !== 'DELETE').map(({ recordId }) => recordId))];
  const { rows } = await db.executeQuery<{ id: string; body: string }>(
    CompiledQuery.raw(`select id, body from ${recordTable(profile, recordType)} where id = any($1::uuid[])`, [ids]),
  );
  const documents = new Map(rows.map(({ id, body }) => [id, readRecord(profile, recordType, id, body)]));
  return events.flatMap((event): State[] => {
    const isGone = event.kind === 'DELETE';
    if (!isGone) {
      const record = documents.get(event.recordId);
      return record === undefined ? [] : [{ event, record, isGone }];
    }
    return event.body === null ? [] : [{ event, record: readRecord(profile, recordType, event.recordId, event.body), isGone }];
  });
}

export function readRecord(profile: Profile, recordType: RecordType, id: string, body: string): GoneRecord {
  const document: Document = readBody(recordType, body);
  return { profile, recordType, id, document, identifiers: takeIdentifiers(profile, recordType, document).identifiers };
}

interface Candidate {
  readonly state: State;
  readonly filterId: string;
  readonly isExact: boolean;
}

/** Filters that have a key of the record, and a subscription to the event. */
async function findCandidates(db: Db, profile: Profile, recordType: RecordType, states: readonly State[]): Promise<Candidate[]> {
  const probes: (FilterKey & { readonly place: number; readonly eventTypes: string })[] = states.flatMap(({ event, record }, place) => {
    const eventTypes = event.eventTypes.join(',');
    return listRecordKeys(recordType, record.document, record.identifiers).map((key) => ({ ...key, place, eventTypes }));
  });
  const { rows } = await db.executeQuery<{ place: number; filterId: string; isExact: boolean }>(
    CompiledQuery.raw(FIND_CANDIDATES, [
      profile.registry,
      recordType.name,
      probes.map(({ place }) => place),
      probes.map(({ field }) => field),
      probes.map(({ value }) => value),
      probes.map(({ eventTypes }) => eventTypes),
    ]),
  );
  return rows.flatMap(({ place, filterId, isExact }) => {
    const state = states[place];
    return state === undefined ? [] : [{ state, filterId, isExact }];
  });
}

// The laterals keep it one probe of an index for each key and each filter, whatever the statistics say.
const FIND_CANDIDATES = `
select distinct on (probe.place, key.filter_id) probe.place, key.filter_id::text as "filterId", filter.is_exact as "isExact"
from unnest($3::integer[], $4::text[], $5::text[], $6::text[]) as probe (place, field, value, event_types)
cross join lateral (
  select filter_id from subscription_filter_key
  where registry = $1 and record_type = $2 and field = probe.field and value = probe.value offset 0
) as key
cross join lateral (
  select from subscription where subscription.filter_id = key.filter_id and state in ('active', 'suspended')
    and event_type = any (string_to_array(probe.event_types, ',')) limit 1
) as wanted
cross join lateral (select is_exact from subscription_filter where id = key.filter_id offset 0) as filter`;

async function loadFilters(db: Db, profile: Profile, ids: readonly string[], today: string): Promise<Map<string, Filter>> {
  if (ids.length === 0) return new Map();
  const { rows } = await db.executeQuery<{ id: string; filter: FilterText }>(
    CompiledQuery.raw(`select id::text, filter from subscription_filter where id = any($1::bigint[])`, [ids]),
  );
  return new Map(
    rows.flatMap(({ id, filter }) => {
      // Of something that the profile has no more: nobody can say that it is met.
      const read = readFilter(profile, filter);
      return read === undefined ? [] : [[id, deriveAgesIn(read, today)] as const];
    }),
  );
}

const FILTERS_A_STATEMENT = 40;

/** The pairs of filter and state in which the record meets the filter. */
async function meetAll(
  db: Db,
  profile: Profile,
  recordType: RecordType,
  candidates: readonly Candidate[],
  filters: ReadonlyMap<string, Filter>,
): Promise<Set<string>> {
  const met = new Set<string>();
  const known = candidates.flatMap((candidate) => {
    const filter = filters.get(candidate.filterId);
    return filter === undefined ? [] : [{ ...candidate, filter }];
  });
  for (const { state, filterId, filter } of known)
    if (state.isGone && meetsFilter(state.record, filter) === true) met.add(pairKey(filterId, state));
  const byFilter = [
    ...Map.groupBy(
      known.filter(({ state }) => !state.isGone),
      ({ filterId }) => filterId,
    ).values(),
  ];
  for (let first = 0; first < byFilter.length; first += FILTERS_A_STATEMENT) {
    const group = byFilter.slice(first, first + FILTERS_A_STATEMENT);
    const parameters = createParameters();
    const sql = group.map((pairs, place) => compileMeeting(profile, recordType, pairs, place, parameters)).join(' union all ');
    const { rows } = await db.executeQuery<{ place: number; id: string }>(CompiledQuery.raw(sql, [...parameters.values]));
    const found = new Set(rows.map(({ place, id }) => `${place} ${id}`));
    for (const [place, pairs] of group.entries())
      for (const { state, filterId } of pairs) if (found.has(`${place} ${state.record.id}`)) met.add(pairKey(filterId, state));
  }
  return met;
}

function compileMeeting(
  profile: Profile,
  recordType: RecordType,
  pairs: readonly { readonly state: State; readonly filter: Filter }[],
  place: number,
  parameters: Parameters,
): string {
  const [first] = pairs;
  if (first === undefined) throw new Error('a filter without records is not compiled');
  const ids = parameters.bind([...new Set(pairs.map(({ state }) => state.record.id))], 'uuid[]');
  // Whom it concerns, not what he sees: that is decided when it is sent, by a search of his.
  const condition = compileFilter(relateFilter(first.filter, recordType), {
    profile,
    recordType,
    alias: 'r',
    parameters,
    sight: undefined,
  });
  return `select ${place} as place, r.id from ${tableOf(profile, recordType)} r where r.id = any(${ids}) and ${condition}`;
}

function pairKey(filterId: string, { event }: State): string {
  return `${filterId} ${event.seq}`;
}
