import { parseCallbackEnvelope } from '@dci/protocol';
import { publishedSchema, specDir } from '../../../protocol/test/support/published-schema.ts';
import type { Database } from '../../src/store/database.ts';
import type { ReceivedMessage } from '../support/recording-receiver.ts';

/** What a receiver's log and the database must say of each other when all has come to rest; each finding is one line. */
export type Finding = string;

interface Told {
  readonly reference: string;
  /** Of the state that is told. */
  readonly version: number;
  /** Of the event that it is told for. */
  readonly eventVersion: number;
  /** The person. */
  readonly subject: string;
  /** The number that the writer has put into the record. */
  readonly state: number | undefined;
}

/** Every event that concerns a subscription was told, in the order of its versions, with a state as old as its version. */
export async function judgeNotifications({ pool }: Database, received: readonly ReceivedMessage[]): Promise<Finding[]> {
  const { rows: expected } = await pool.query<{ code: string; uin: string; version: number; kind: string }>(EXPECTED);
  const bySubscription = Map.groupBy(
    received.filter(({ header }) => header.action === 'notify'),
    ({ header }) => (header['meta'] as { subscription_code: string }).subscription_code,
  );
  const findings: Finding[] = [];
  const told = new Map<string, Told[]>();
  for (const [code, messages] of bySubscription) {
    const events = messages.flatMap(readTold);
    told.set(code, events);
    findings.push(...judgeOrder(code, events), ...judgeStates(code, events));
  }
  for (const { code, uin, version, kind } of expected)
    if (told.get(code)?.some(({ subject, eventVersion }) => subject === uin && eventVersion === version) !== true)
      findings.push(`${code} was not told of ${kind} ${version} of ${uin}`);
  if (expected.length === 0) findings.push('nothing was to be told');
  return findings;
}

// Who is to be told of what, found out in another way than the server does: by comparing each event with each subscription.
const EXPECTED = `
select subscription.code, identifier.value as uin, event.version, event.kind
from change_event as event
join subscription on subscription.event_type = event.kind and subscription.starts_at <= event.at
join identifier on identifier.record_id = event.record_id
where event.record_type = 'person'
  -- Of a record that is gone by the time of telling, that it is gone is told.
  and (event.kind = 'DELETE'
    or not exists (select from change_event as later where later.record_id = event.record_id and later.kind = 'DELETE'))
  and subscription.criteria #>> '{filter,value}' in ('*', identifier.value)`;

function readTold(message: ReceivedMessage): Told[] {
  const { records } = message.header['meta'] as { records: { reference_id: string; version: number; event_version: number }[] };
  const events = message.message['notify_event'] as { reference_id: string; data: { reg_records: { demographic_info: Demographic } } }[];
  return events.map(({ reference_id: reference, data }, index) => {
    const about = records[index];
    const { identifier, email } = data.reg_records.demographic_info;
    if (about?.reference_id !== reference) throw new Error('a notification names its events and its versions in different orders');
    return {
      reference,
      version: about.version,
      eventVersion: about.event_version,
      subject: identifier[0]?.identifier_value ?? '',
      state: email === undefined ? undefined : Number.parseInt(email[0] ?? '', 10),
    };
  });
}

interface Demographic {
  readonly identifier: readonly { readonly identifier_value: string }[];
  readonly email?: readonly string[];
}

/** What is told again is not counted: it may arrive late. */
function judgeOrder(code: string, events: readonly Told[]): Finding[] {
  const findings: Finding[] = [];
  const seen = new Set<string>();
  const last = new Map<string, Told>();
  for (const event of events) {
    if (seen.has(event.reference)) continue;
    seen.add(event.reference);
    const before = last.get(event.subject);
    if (before !== undefined && (event.eventVersion <= before.eventVersion || event.version < before.version))
      findings.push(`${code} was told of ${describe(event)} after ${describe(before)}`);
    last.set(event.subject, event);
  }
  return findings;
}

/** A later state never goes under the version of an earlier one, nor an earlier state under a later event. */
function judgeStates(code: string, events: readonly Told[]): Finding[] {
  const findings: Finding[] = [];
  for (const [, own] of Map.groupBy(events, ({ subject }) => subject)) {
    const byVersion = own.toSorted((one, other) => one.version - other.version);
    for (const [index, event] of byVersion.entries()) {
      if (event.version < event.eventVersion) findings.push(`${code} was told an older state: ${describe(event)}`);
      const next = byVersion[index + 1];
      if (next === undefined || next.state === undefined || event.state === undefined) continue;
      const isRight = next.version === event.version ? next.state === event.state : next.state > event.state;
      if (!isRight) findings.push(`${code}: state ${event.state} is of ${describe(event)}, state ${next.state} of ${describe(next)}`);
    }
  }
  return findings;
}

function describe({ subject, version, eventVersion }: Told): string {
  return `event ${eventVersion} of ${subject} in version ${version}`;
}

const PATHS: Readonly<Record<string, string>> = {
  'on-search': '/registry/on-search',
  'on-subscribe': '/registry/on-subscribe',
  notify: '/registry/notify',
};

/** Each message is whole, signed, and as the standard has it. */
export function judgeMessages(received: readonly ReceivedMessage[]): Finding[] {
  const ids = new Set(received.map(({ header }) => header.message_id));
  return [
    ...(ids.size === received.length ? [] : ['two messages have one id']),
    ...received.flatMap(({ header, signature, text }) => {
      const envelope: unknown = JSON.parse(text);
      parseCallbackEnvelope(envelope);
      const problems = signature === 'good' ? [] : [`a signature of ${header.action} is ${signature}`];
      const path = PATHS[header.action];
      if (path === undefined) return [...problems, `${header.action} was not expected`];
      if (specDir === undefined) return problems;
      const fits = publishedSchema('social').request(path);
      return fits(envelope) ? problems : [...problems, `${header.action} does not fit its schema: ${JSON.stringify(fits.errors)}`];
    }),
  ];
}

/** Searches that were acknowledged are answered whole, each of their pages. */
export function judgeSearches(acknowledged: readonly string[], received: readonly ReceivedMessage[]): Finding[] {
  const answers = Map.groupBy(
    received.filter(({ header }) => header.action === 'on-search'),
    ({ message }) => message.transaction_id ?? '',
  );
  return acknowledged.flatMap((id) => {
    const parts = answers.get(id) ?? [];
    const isWhole = parts.some(({ header }) => header['completed_count'] === header['total_count'] && header.status === 'succ');
    if (!isWhole) return [`search ${id} has no end after ${parts.length} callbacks`];
    const pages = parts
      .flatMap(({ message }) => message.search_response ?? [])
      .flatMap((item) => (item['pagination'] as { page_number: number; page_size: number; total_count: number } | undefined) ?? []);
    const largest = Math.max(0, ...pages.map(({ page_number: number }) => number));
    const missing = Array.from({ length: largest }, (_, index) => index + 1).filter(
      (number) => !pages.some((page) => page.page_number === number),
    );
    return missing.map((number) => `search ${id} lacks page ${number} of ${largest}`);
  });
}

/** Subscriptions that were acknowledged are there, and their subscriber was told so. */
export async function judgeSubscriptions(
  { pool }: Database,
  acknowledged: ReadonlyMap<string, string>,
  received: readonly ReceivedMessage[],
): Promise<Finding[]> {
  const { rows } = await pool.query<{ code: string }>(`select code from subscription where state = 'active'`);
  const active = new Set(rows.map(({ code }) => code));
  const told = new Map(
    received.filter(({ header }) => header.action === 'on-subscribe').map(({ message, text }) => [message.transaction_id ?? '', text]),
  );
  return [...acknowledged].flatMap(([transaction, code]) => [
    ...(active.has(code) ? [] : [`subscription ${code} was acknowledged and is not there`]),
    ...(told.get(transaction)?.includes(code) === true ? [] : [`nobody was told of subscription ${code}`]),
  ]);
}

/** Whatever arrived has a row of the audit trail that discloses as much. */
export async function judgeAudit({ pool }: Database, received: readonly ReceivedMessage[]): Promise<Finding[]> {
  const { rows } = await pool.query<{ id: string; action: string; count: number }>(
    `select transaction_id as id, action, record_count as count from audit where outcome = 'answered'`,
  );
  const counts = Map.groupBy(rows, ({ id, action }) => `${action} ${id}`);
  return received.flatMap(({ header, message }) => {
    const action = { 'on-search': 'search', notify: 'notify' }[header.action];
    if (action === undefined) return [];
    const records =
      action === 'notify'
        ? new Set(
            (message['notify_event'] as { data: { reg_records: { demographic_info: Demographic } } }[]).map(({ data }) =>
              JSON.stringify(data.reg_records),
            ),
          ).size
        : (message.search_response ?? []).flatMap((item) => (item['data'] as { reg_records?: unknown[] } | undefined)?.reg_records ?? [])
            .length;
    const isOnRecord = counts.get(`${action} ${message.transaction_id}`)?.some(({ count }) => count === records) === true;
    return isOnRecord ? [] : [`${header.action} ${message.transaction_id} with ${records} records has no row of the audit trail`];
  });
}

/** Nothing is left to be done, and nothing was given up. */
export async function countLeft({ pool }: Database): Promise<Readonly<Record<string, number>>> {
  const { rows } = await pool.query<Record<string, number>>(`select
    (select count(*)::integer from change_event, event_cursor where xid >= until_xid or seq >= until_seq or seq > last_seq) as unread,
    (select count(*)::integer from job) as jobs,
    (select count(*)::integer from pending_event) as untold,
    (select count(*)::integer from delivery where state <> 'delivered') as undelivered,
    (select count(*)::integer from dci_transaction where state <> 'answered') as unanswered`);
  return rows[0] ?? {};
}
