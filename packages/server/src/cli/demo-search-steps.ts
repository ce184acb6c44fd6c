import type { Step, Json } from './demo-step.ts';
import { describeGroup, describePerson, expect, firstRecord, POOR_HOUSEHOLDS, records, REGISTRY, total } from './demo-step.ts';

/** Asking, and being answered at once. */

export async function tokenStep({ client, title, done, programme }: Step): Promise<void> {
  title(`${programme.senderId} gets an access token (OAuth2 client credentials)`);
  const token = await client.getToken();
  const [, payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as { scope: string; exp: number; iat: number };
  done(`a signed at+jwt of ${token.length} characters, scope "${claims.scope}", good for ${claims.exp - claims.iat} s`);
}

export async function identifierStep({ client, title, done, print, uin }: Step): Promise<void> {
  title(`It asks for the person with the UIN ${uin}: idtype-value, signed with ES256`);
  const answer = await client.search({ query_type: 'idtype-value', query: { type: 'UIN', value: uin } }, REGISTRY);
  const person = firstRecord(answer);
  print(`     ${describePerson(person)}`);
  expect(JSON.stringify(person['identifier']).includes(uin), 'the person asked for is the one answered');
  done(`signature of the answer verified with the key ${answer.signedBy} from .well-known/jwks.json`);
}

export async function predicateStep({ client, title, done, print }: Step): Promise<void> {
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

export async function householdStep({ client, title, done, print }: Step): Promise<void> {
  title('It asks by expression: poor households of four and more, poorest first, page by page');
  const first = await client.search(POOR_HOUSEHOLDS, REGISTRY);
  for (const group of records(first)) print(`     ${describeGroup(group)}`);
  const cursor = first.items[0]?.pagination?.next_cursor;
  expect(cursor !== undefined, 'there is a second page');
  const second = await client.search({ ...POOR_HOUSEHOLDS, pagination: { page_size: 3, cursor } }, REGISTRY);
  for (const group of records(second)) print(`     ${describeGroup(group)}`);
  done(`${total(first)} households match; the second page was fetched by its cursor`);
}

export async function memberStep({ client, title, done, print }: Step): Promise<void> {
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

export async function batchStep({ client, title, done, print, uin }: Step): Promise<void> {
  title('Two questions in one message, one of them impossible: that item is refused, the other answered');
  const answer = await client.search(
    [
      { query_type: 'predicate', query: [{ expression1: { attribute_name: 'shoe_size', operator: 'eq', attribute_value: 42 } }] },
      { query_type: 'idtype-value', query: { type: 'UIN', value: uin } },
    ],
    REGISTRY,
  );
  for (const { reference_id: reference, status_reason_code: code, status_reason_message: reason } of answer.items)
    print(`     item ${reference}: ${code === undefined ? 'answered' : `refused, ${code}: ${reason}`}`);
  expect(answer.items[0]?.status === 'rjct' && answer.items[1]?.status === 'succ', 'one item refused, one answered');
  done('what is not understood is refused, never read as "everybody"');
}
