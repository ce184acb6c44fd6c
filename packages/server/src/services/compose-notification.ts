import { createHash } from 'node:crypto';
import { disclose, type DisclosedResult, givesMembers, prepareGivenPaths, readMarks } from '../disclosure/disclose.ts';
import type { Grant } from '../disclosure/grant.ts';
import type { Pseudonyms } from '../disclosure/pseudonyms.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { findSchemaTrail, listLeafPaths, schemaNode } from '../profiles/schema-path.ts';
import { type Document, renderBody } from '../registry/document.ts';
import { executeSearch } from '../registry/execute.ts';
import { readRecord } from '../registry/match-events.ts';
import { type GoneRecord, meetsFilter } from '../registry/meets-filter.ts';
import type { FoundRecord, SearchPlan } from '../registry/plan.ts';
import { readSeen } from '../registry/read-seen.ts';
import type { Reader } from '../registry/reader.ts';
import type { ConsentTerms } from '../registry/sight.ts';
import type { PendingEvent } from '../store/pending-events.ts';
import type { Subscription } from '../store/subscriptions.ts';

/**
 * What one subscriber is told of a number of events: what a search by him, now, would give him of these records. An event
 * of a record that he may not see, or of which nothing changed that he is given, is not told. Of a record that is gone he
 * is told the identifiers, where he could see it; under consent, where one covered them then and holds still.
 */
export interface ComposedNotification {
  /** The message as canonical JSON. */
  readonly content: string;
  readonly meta: Record<string, unknown>;
  readonly transactionId: string;
  readonly count: number;
  readonly disclosed: readonly DisclosedResult[];
}

export interface NotificationParts {
  readonly reader: Reader;
  readonly pseudonyms: Pseudonyms;
  readonly grant: Grant;
  readonly profile: Profile;
  readonly subscription: Subscription;
  /** Of the records that are still there, under everything that a search by this partner is planned under. */
  readonly plan: (ids: readonly string[]) => SearchPlan;
  readonly events: readonly PendingEvent[];
  /** The transaction of the notification that is made anew: it stays the same. */
  readonly toldIn?: string;
  /** Of records that are gone, by number of the event. */
  readonly bodies: ReadonlyMap<string, string>;
  /** The record that was bound to that of a LINK or UNLINK event, or parted from it, by number of the event. */
  readonly readRelated: (seqs: readonly string[]) => Promise<ReadonlyMap<string, string>>;
  /** The consents for records that are gone, by number of the event; of those that have any. */
  readonly readCovers: (terms: ConsentTerms, seqs: readonly string[]) => Promise<ReadonlyMap<string, string>>;
}

/** Undefined: there is nothing to tell. */
export async function composeNotification(parts: NotificationParts): Promise<ComposedNotification | undefined> {
  const { subscription, profile, events } = parts;
  const [living, gone, links] = [await readLiving(parts), await readGone(parts), await findOpenLinks(parts)];
  const told = events.flatMap((event) => {
    const given = event.kind === 'DELETE' ? gone.get(event.seq) : living.get(event.recordId);
    return given === undefined || !isNews(event, given, links) ? [] : [{ event, given }];
  });
  const last = told.at(-1);
  if (last === undefined) return undefined;
  const transactionId = parts.toldIn ?? nameOf(subscription, `to ${last.event.seq}`);
  const items = told.map(({ event, given }) => writeEvent(parts, event, given));
  return {
    transactionId,
    content: `{"notify_event":[${items.join(',')}],"transaction_id":${JSON.stringify(transactionId)}}`,
    meta: {
      event_type: subscription.eventType,
      subscription_code: subscription.code,
      registry: profile.registry,
      records: told.map(({ event, given }) => ({
        reference_id: nameOf(subscription, event.seq),
        version: given.version,
        event_version: event.version,
        ...(event.kind === 'UPDATE' ? { changed: visibleChanges(event, given) } : {}),
      })),
    },
    count: told.length,
    disclosed: [...new Set(told.map(({ given }) => given.result))],
  };
}

interface Given {
  /** Canonical JSON. */
  readonly text: string;
  readonly version: number;
  readonly recordType: RecordType;
  readonly result: DisclosedResult;
  /** Whether a field is given of it as it is. */
  readonly isGiven: (path: string) => boolean;
}

async function readLiving({ reader, grant, pseudonyms, plan, events }: NotificationParts): Promise<Map<string, Given>> {
  const ids = [...new Set(events.filter(({ kind }) => kind !== 'DELETE').map(({ recordId }) => recordId))];
  if (ids.length === 0) return new Map();
  const found = await executeSearch(reader, plan(ids));
  const result = disclose(grant, found, pseudonyms);
  const isGiven = prepareGivenPaths(grant, found.plan);
  return new Map(
    found.records.map((record, index) => [
      record.id,
      {
        text: textOf(result, index),
        version: record.version,
        recordType: found.plan.recordType,
        result,
        isGiven: exceptMembers(found.plan, isGiven(record)),
      },
    ]),
  );
}

/** Who was in a group before may have been out of sight: where sight is limited, no change of its members is told. */
function exceptMembers({ recordType, sight }: SearchPlan, isGiven: Given['isGiven']): Given['isGiven'] {
  const { members } = recordType;
  if (sight === undefined || members === undefined) return isGiven;
  const hidden = [members.headProperty, members.listProperty];
  return (path) => !hidden.some((property) => path === property || path.startsWith(`${property}.`)) && isGiven(path);
}

async function readGone({ grant, pseudonyms, profile, plan, events, bodies, readCovers }: NotificationParts): Promise<Map<string, Given>> {
  const gone = events.flatMap((event) => {
    const body = event.kind === 'DELETE' ? bodies.get(event.seq) : undefined;
    return body === undefined ? [] : [{ event, body }];
  });
  if (gone.length === 0) return new Map();
  const planned = plan(gone.map(({ event }) => event.recordId));
  const { recordType, sight } = planned;
  const covers =
    sight?.consent &&
    (await readCovers(
      sight.consent,
      gone.map(({ event }) => event.seq),
    ));
  const given = gone.flatMap(({ event, body }) => {
    const cover = covers?.get(event.seq);
    const record = readRecord(profile, recordType, event.recordId, body);
    const covered = covers === undefined ? record : { ...record, marks: readMarks({ cover }) };
    if ((covers !== undefined && cover === undefined) || meetsFilter(covered, planned.filter) !== true || !wasSeen(record, planned))
      return [];
    const found: FoundRecord = {
      id: record.id,
      version: event.version,
      recordType: recordType.name,
      body: renderBody(recordType, onlyIdentifiers(record)),
      ...(cover === undefined ? {} : { cover }),
    };
    const result = disclose(grant, { plan: planned, records: [found], totalCount: 1 }, pseudonyms);
    const text = textOf(result, 0);
    // Of whom no identifier is covered, it is not told that somebody is gone.
    if (covers !== undefined && !text.includes('"identifier_value":')) return [];
    return [[event.seq, { text, version: event.version, recordType, result, isGiven: () => false }] as const];
  });
  return new Map(given);
}

/** By the rows of the agreement, which are judged by all that there was. */
function wasSeen(record: GoneRecord, { sight, recordType }: SearchPlan): boolean {
  if (sight === undefined) return true;
  if (sight.closed.has(recordType.name)) return false;
  const rows = sight.rows.get(recordType.name);
  return rows === undefined || meetsFilter(record, rows) === true;
}

function textOf({ records }: DisclosedResult, index: number): string {
  const text = records[index];
  if (text === undefined) throw new Error('a record was found and not disclosed');
  return text;
}

function onlyIdentifiers({ recordType, document }: GoneRecord): Document {
  const keep = (value: unknown, path: string): unknown => {
    if (recordType.identifierPaths.includes(path)) return value;
    if (
      typeof value !== 'object' ||
      value === null ||
      !recordType.identifierPaths.some((known) => known.startsWith(path === '' ? '' : `${path}.`))
    )
      return undefined;
    const kept = Object.entries(value as Document).flatMap(([name, inner]) => {
      const inside = name === '@type' ? inner : keep(inner, path === '' ? name : `${path}.${name}`);
      return inside === undefined ? [] : [[name, inside] as const];
    });
    return Object.fromEntries(kept);
  };
  return keep(document, '') as Document;
}

/** A change of what the subscriber is not given would tell him that there was one. */
function isNews(event: PendingEvent, given: Given, openLinks: ReadonlySet<string>): boolean {
  if (isLink(event)) return openLinks.has(event.seq);
  return event.kind !== 'UPDATE' || visibleChanges(event, given).length > 0;
}

function isLink({ kind }: PendingEvent): boolean {
  return kind === 'LINK' || kind === 'UNLINK';
}

/**
 * Of the events that bind two records or part them, those that may be told: by number. Each tells of both, and of who is
 * in a group: to whom members are given, and who sees the other one as well.
 */
async function findOpenLinks({ reader, grant, profile, plan, events, readRelated }: NotificationParts): Promise<ReadonlySet<string>> {
  const links = events.filter(isLink);
  const [first] = links;
  if (first === undefined) return new Set();
  const { recordType, sight } = plan([first.recordId]);
  const bound = profile.recordTypes.flatMap((group) => {
    const member = profile.recordTypes.find(({ name }) => name === group.members?.recordType);
    return member === undefined ? [] : [{ group, member }];
  });
  const own = bound.filter(({ group, member }) => group === recordType || member === recordType);
  const open = own.filter(({ group }) => givesMembers(grant, profile, group));
  if (sight === undefined && open.length === own.length) return new Set(links.map(({ seq }) => seq));
  const related = await readRelated(links.map(({ seq }) => seq));
  const seen = new Set<string>();
  for (const { group, member } of open)
    for (const id of await readSeen(reader, profile, group === recordType ? member : group, [...related.values()], sight)) seen.add(id);
  return new Set(links.filter(({ seq }) => seen.has(related.get(seq) ?? '')).map(({ seq }) => seq));
}

/** The fields of which something changed that is given. */
function visibleChanges({ changed }: PendingEvent, { recordType, isGiven }: Given): string[] {
  const visible = changed.filter((path) => {
    const node = findSchemaTrail(schemaNode(recordType.document), path)?.at(-1);
    return node !== undefined && listLeafPaths(node, path).some(isGiven);
  });
  return [...new Set(visible.map((path) => fieldOf(recordType, path)))];
}

/** What subscribers know a leaf by: the property of the document that it is in, or that of the entity inside. */
function fieldOf({ entities }: RecordType, path: string): string {
  const names = path.split('.');
  return names.slice(0, entities.some(({ property }) => property === names[0]) ? 2 : 1).join('.');
}

function writeEvent({ subscription, profile }: NotificationParts, event: PendingEvent, { text }: Given): string {
  const isWritable = profile.notify?.eventTypes?.includes(subscription.eventType) ?? true;
  const data = [
    ...(isWritable ? [`"reg_event_type":${JSON.stringify(subscription.eventType)}`] : []),
    `"reg_record_type":${JSON.stringify(subscription.entity)}`,
    `"reg_records":${profile.notify?.records === 'list' ? `[${text}]` : text}`,
    `"reg_type":${JSON.stringify(profile.regTypes[0] ?? profile.registry)}`,
    '"version":"1.0.0"',
  ];
  const members = [
    `"data":{${data.join(',')}}`,
    ...(subscription.locale === null ? [] : [`"locale":${JSON.stringify(subscription.locale)}`]),
    `"reference_id":${JSON.stringify(nameOf(subscription, event.seq))}`,
    `"timestamp":${JSON.stringify(event.at.toISOString())}`,
  ];
  return `{${members.join(',')}}`;
}

/** The same each time the same is told, and says nothing of how much happens here. */
function nameOf({ id }: Subscription, what: string): string {
  return createHash('sha256').update(`${id} ${what}`).digest('base64url').slice(0, 27);
}
