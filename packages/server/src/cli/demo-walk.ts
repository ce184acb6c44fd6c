import { createDciClient, type DciClient, DciRefusal, type SearchAnswer, writeSearchMessage } from '@dci/client';
import { generateSigningKey, type SearchCriteria, type SigningKey } from '@dci/protocol';

/**
 * The demo's walk: what a partner system does with a registry, step by step, each with what came back. A step says what
 * it expects; the walk fails where something else happens.
 */
export interface DemoPartner {
  readonly senderId: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly key: SigningKey;
}

export interface Walk {
  readonly baseUrl: string;
  readonly serverId: string;
  /** May see everything. */
  readonly programme: DemoPartner;
  /** May see who somebody is, and no more. */
  readonly clinic: DemoPartner;
  /** Identifier of somebody in the registry. */
  readonly uin: string;
  readonly print: (line: string) => void;
}

type Json = Readonly<Record<string, unknown>>;

/** Runs every step; throws at the first that goes otherwise than it should. */
export async function runWalk(walk: Walk): Promise<void> {
  const steps = [tokenStep, identifierStep, predicateStep, householdStep, memberStep, batchStep, fewerFieldsStep, forgeryStep, replayStep];
  const client = clientFor(walk, walk.programme);
  for (const [index, step] of steps.entries()) {
    walk.print('');
    await step({ ...walk, client, title: (text) => walk.print(`${index + 2}. ${text}`), done: (text) => walk.print(`   ✔ ${text}`) });
  }
}

interface Step extends Walk {
  readonly client: DciClient;
  readonly title: (text: string) => void;
  readonly done: (text: string) => void;
}

const REGISTRY = { registry: 'social' };

function clientFor({ baseUrl, serverId }: Walk, { senderId, clientId, clientSecret, key }: DemoPartner): DciClient {
  return createDciClient({ baseUrl, senderId, receiverId: serverId, credentials: { clientId, clientSecret }, signingKey: key });
}

async function tokenStep({ client, title, done, programme }: Step): Promise<void> {
  title(`${programme.senderId} gets an access token (OAuth2 client credentials)`);
  const token = await client.getToken();
  const [, payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { scope: string; exp: number; iat: number };
  done(`a signed at+jwt of ${token.length} characters, scope "${claims.scope}", good for ${claims.exp - claims.iat} s`);
}

async function identifierStep({ client, title, done, print, uin }: Step): Promise<void> {
  title('It asks for one person by identifier: idtype-value, signed with ES256');
  const answer = await client.search({ query_type: 'idtype-value', query: { type: 'UIN', value: uin } }, REGISTRY);
  const person = firstRecord(answer);
  print(`     ${describePerson(person)}`);
  expect(JSON.stringify(person['identifier']).includes(uin), 'the person asked for is the one answered');
  done(`signature of the answer verified with the key ${answer.signedBy} from .well-known/jwks.json`);
}

async function predicateStep({ client, title, done, print }: Step): Promise<void> {
  title('It asks by predicate: women of 60 and more, oldest first');
  const answer = await client.search(
    {
      query_type: 'predicate',
      query: [
        {
          seq_num: 1,
          expression1: { attribute_name: 'age', operator: 'ge', attribute_value: 60 },
          condition: 'and',
          expression2: { attribute_name: 'gender', operator: 'eq', attribute_value: 'female' },
        },
      ],
      sort: [{ attribute_name: 'birth_date', sort_order: 'asc' }],
      pagination: { page_size: 3 },
    },
    REGISTRY,
  );
  for (const person of records(answer)) print(`     ${describePerson(person)}`);
  expect(total(answer) > 3, 'more than a page of them');
  done(`${total(answer)} in all, 3 on this page`);
}

const POOR_HOUSEHOLDS = {
  query_type: 'expression',
  response_entity: 'Group',
  query: {
    type: 'ns:org:QueryType:NoSql',
    value: { expression: { collection: 'Group', query: { $and: [{ poverty_score: { $lt: 5 } }, { group_size: { $gte: 4 } }] } } },
  },
  sort: [{ attribute_name: 'poverty_score', sort_order: 'asc' }],
  pagination: { page_size: 3 },
} satisfies SearchCriteria;

async function householdStep({ client, title, done, print }: Step): Promise<void> {
  title('It asks by expression: poor households of four and more, poorest first, page by page');
  const first = await client.search(POOR_HOUSEHOLDS, REGISTRY);
  for (const group of records(first)) print(`     ${describeGroup(group)}`);
  const cursor = first.items[0]?.pagination?.next_cursor;
  expect(cursor !== undefined, 'there is a second page');
  const second = await client.search({ ...POOR_HOUSEHOLDS, pagination: { page_size: 3, cursor } }, REGISTRY);
  for (const group of records(second)) print(`     ${describeGroup(group)}`);
  done(`${total(first)} households match; the second page was fetched by its cursor`);
}

async function memberStep({ client, title, done, print }: Step): Promise<void> {
  title('A question on households, answered with members: widows among them (dotted paths)');
  const answer = await client.search(
    {
      query_type: 'expression',
      response_entity: 'Member',
      query: {
        type: 'ns:org:QueryType:NoSql',
        value: {
          expression: {
            collection: 'Group',
            query: { $and: [{ 'demographic_info.person.sex': { $eq: 'female' } }, { marital_status: { $eq: 'W' } }] },
          },
        },
      },
      pagination: { page_size: 2 },
    },
    REGISTRY,
  );
  for (const member of records(answer))
    print(`     ${describePerson(member['demographic_info'] as Json)}, marital status ${String(member['marital_status'])}`);
  done(`${total(answer)} members match`);
}

async function batchStep({ client, title, done, print, uin }: Step): Promise<void> {
  title('Two questions in one message, one of them impossible: that item is refused, the other answered');
  const answer = await client.search(
    [
      { query_type: 'predicate', query: [{ expression1: { attribute_name: 'shoe_size', operator: 'eq', attribute_value: 42 } }] },
      { query_type: 'idtype-value', query: { type: 'UIN', value: uin } },
    ],
    REGISTRY,
  );
  for (const item of answer.items)
    print(
      `     item ${item.reference_id}: ${item.status}${item.status_reason_code === undefined ? '' : ` ${item.status_reason_code}: ${item.status_reason_message}`}`,
    );
  expect(answer.items[0]?.status === 'rjct' && answer.items[1]?.status === 'succ', 'one item refused, one answered');
  done('what is not understood is refused, never read as "everybody"');
}

async function fewerFieldsStep(step: Step): Promise<void> {
  const { title, done, print, uin, clinic } = step;
  title(`${clinic.senderId} asks for the same person; its agreement gives it the field rule "minimal"`);
  const client = clientFor(step, clinic);
  const person = firstRecord(await client.search({ query_type: 'idtype-value', query: { type: 'UIN', value: uin } }, REGISTRY));
  print(
    `     fields given: ${Object.keys(person)
      .filter((name) => !name.startsWith('@'))
      .join(', ')}`,
  );
  expect(!('birth_date' in person) && !('address' in person), 'neither birth date nor address is given');
  const refusal = await refusalOf(client.search(POOR_HOUSEHOLDS, REGISTRY));
  done(`and it may not search by what it may not see: ${refusal.code}`);
}

async function forgeryStep(step: Step): Promise<void> {
  const { title, done, programme } = step;
  title(`Somebody has the token of ${programme.senderId} and not its key`);
  const forger = clientFor(step, { ...programme, key: { ...generateSigningKey('ES256'), kid: programme.key.kid } });
  const refusal = await refusalOf(forger.search({ query_type: 'idtype-value', query: { type: 'UIN', value: step.uin } }, REGISTRY));
  expect(refusal.status === 401 && refusal.code === 'err.signature.invalid', 'the forged message is refused');
  done(`HTTP ${refusal.status} ${refusal.code}`);
}

async function replayStep({ client, title, done, baseUrl, programme, serverId, uin }: Step): Promise<void> {
  title('Somebody sends a recorded message once more');
  const { text } = writeSearchMessage({
    senderId: programme.senderId,
    receiverId: serverId,
    criteria: [{ query_type: 'idtype-value', query: { type: 'UIN', value: uin } }],
    signingKey: programme.key,
    now: Date.now(),
  });
  const headers = { authorization: `Bearer ${await client.getToken()}`, 'content-type': 'application/json' };
  const send = async (): Promise<{ header: { status: string; status_reason_code?: string }; message?: unknown }> => {
    const response = await fetch(`${baseUrl}/social/registry/sync/search`, { method: 'POST', headers, body: text });
    return (await response.json()) as Awaited<ReturnType<typeof send>>;
  };
  expect((await send()).header.status === 'succ', 'the first is answered');
  const again = await send();
  expect(again.header.status === 'rjct' && again.message === undefined, 'the second is not');
  done(`the second is refused, signed and without a record: ${again.header.status_reason_code}`);
}

function expect(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(`the demo expected that ${text}`);
}

async function refusalOf(search: Promise<unknown>): Promise<DciRefusal> {
  const outcome = await search.catch((error: unknown) => error);
  expect(outcome instanceof DciRefusal, 'the server refuses');
  return outcome;
}

function records(answer: SearchAnswer): readonly Json[] {
  return answer.items[0]?.data?.reg_records ?? [];
}

function firstRecord(answer: SearchAnswer): Json {
  const [record] = records(answer);
  expect(record !== undefined, 'a record is answered');
  return record;
}

function total(answer: SearchAnswer): number {
  return answer.items[0]?.pagination?.total_count ?? 0;
}

function describePerson(person: Json): string {
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

function describeGroup(group: Json): string {
  const head = group['group_head_info'] as Json | undefined;
  const person = head?.['demographic_info'] as Json | undefined;
  const name = person?.['name'] as Json | undefined;
  return `score ${String(group['poverty_score'])}, ${String(group['group_size'])} members, head ${[name?.['given_name'], name?.['surname']].filter(Boolean).join(' ')}`;
}
