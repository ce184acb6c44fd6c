import { createDciClient, type DciClient, DciRefusal, type SearchAnswer } from '@dci/client';
import type { DecryptionKey, SearchCriteria, SigningKey } from '@dci/protocol';
import type { DemoReceiver } from './demo-receiver.ts';

/** What the steps of the demo's walk have at hand, and how they say what they see. */

export interface DemoPartner {
  readonly senderId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly key: SigningKey;
}

/** A partner to whom extracts can be encrypted. */
export interface DemoResearcher extends DemoPartner {
  readonly decryptionKey: DecryptionKey;
}

/** Somebody who was registered a second time, with mistakes. */
export interface DemoTwice {
  /** What the second record says of the person. */
  readonly person: Json;
  /** Identifiers of both records. */
  readonly uins: readonly [string, string];
}

export interface Walk {
  readonly baseUrl: string;
  readonly serverId: string;
  /** May see everything, and be told of it. */
  readonly programme: DemoPartner;
  /** May see who somebody is, and no more. */
  readonly clinic: DemoPartner;
  /** Keeps the registry. */
  readonly office: DemoPartner;
  /** May see numbers. */
  readonly ministry: DemoPartner;
  /** May see rows that are nobody's. */
  readonly university: DemoResearcher;
  /** Identifier of somebody in the registry. */
  readonly uin: string;
  /** Its record, as it was written. */
  readonly member: Json;
  readonly twice: DemoTwice;
  /** Where the programme is sent what it asked for. */
  readonly receiver: DemoReceiver;
  readonly print: (line: string) => void;
}

export interface Step extends Walk {
  readonly client: DciClient;
  readonly title: (text: string) => void;
  readonly done: (text: string) => void;
}

export type Json = Readonly<Record<string, unknown>>;

export const REGISTRY = { registry: 'social' };

export function clientFor({ baseUrl, serverId }: Walk, { senderId, clientId, clientSecret, key }: DemoPartner): DciClient {
  return createDciClient({ baseUrl, senderId, receiverId: serverId, credentials: { clientId, clientSecret }, signingKey: key });
}

export const POOR_HOUSEHOLDS = {
  query_type: 'expression',
  response_entity: 'Group',
  query: {
    type: 'ns:org:QueryType:NoSql',
    value: { expression: { collection: 'Group', query: { $and: [{ poverty_score: { $lt: 5 } }, { group_size: { $gte: 4 } }] } } },
  },
  sort: [{ attribute_name: 'poverty_score', sort_order: 'asc' }],
  pagination: { page_size: 3 },
} satisfies SearchCriteria;

export function expect(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(`the demo expected that ${text}`);
}

export async function refusalOf(search: Promise<unknown>): Promise<DciRefusal> {
  const outcome = await search.catch((error: unknown) => error);
  expect(outcome instanceof DciRefusal, 'the server refuses');
  return outcome;
}

export function records(answer: SearchAnswer): readonly Json[] {
  return answer.items[0]?.data?.reg_records ?? [];
}

export function firstRecord(answer: SearchAnswer): Json {
  const [record] = records(answer);
  expect(record !== undefined, 'a record is answered');
  return record;
}

export function total(answer: SearchAnswer): number {
  return answer.items[0]?.pagination?.total_count ?? 0;
}

export function describePerson(person: Json): string {
  const name = person['name'] as Json | undefined;
  const [address] = (person['address'] ?? []) as readonly Json[];
  const { birth_date: birthDate } = person;
  const birth = typeof birthDate === 'string' ? birthDate.slice(0, 10) : '';
  return [
    [name?.['given_name'], name?.['surname']].filter(Boolean).join(' '),
    person['sex'],
    birth && `born ${birth}`,
    address?.['locality'],
  ]
    .filter(Boolean)
    .join(', ');
}

export function describeGroup(group: Json): string {
  const head = group['group_head_info'] as Json | undefined;
  const person = head?.['demographic_info'] as Json | undefined;
  const name = person?.['name'] as Json | undefined;
  return `score ${String(group['poverty_score'])}, ${String(group['group_size'])} members, head ${[name?.['given_name'], name?.['surname']].filter(Boolean).join(' ')}`;
}
