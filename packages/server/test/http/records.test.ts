import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { group, person, reference } from '../records/registry-fixture.ts';
import { post, startTestApp, type TestApp, type TestPartner } from '../support/test-app.ts';

let server: TestApp;
let writer: TestPartner;

beforeAll(async () => {
  server = await startTestApp();
  writer = await server.addPartner('civil-office.test', { scopes: ['registry/write'] });
});

afterAll(() => server.close());

type Json = Record<string, unknown>;

interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json & { results?: Json[]; errors?: Json[] };
}

async function write(
  operations: readonly Json[],
  options: { key?: string; token?: string; path?: string; body?: string } = {},
): Promise<Reply> {
  const { key, token = writer.token, path = '/social/registry/records', body = JSON.stringify({ operations }) } = options;
  const { status, headers, text } = await post(`${server.base}${path}`, token, body, key === undefined ? {} : { 'idempotency-key': key });
  return { status, headers, body: JSON.parse(text) as Reply['body'] };
}

const uin = (value: string): Json => ({ identifier_type: 'UIN', identifier_value: value });
const household = (value: string): Json => ({ identifier_type: 'HHID', identifier_value: value });

async function rows(sql: string, ...parameters: unknown[]): Promise<Json[]> {
  return (await server.database.pool.query<Json>(sql, parameters)).rows;
}

/** Everything that a write may change. */
async function state(): Promise<Json | undefined> {
  const [found] =
    await rows(`select (select count(*) from record_social_person) as persons, (select count(*) from record_social_group) as groups,
    (select count(*) from identifier) as identifiers, (select count(*) from membership) as memberships,
    (select count(*) from change_event) as events, (select count(*) from write_request) as keys`);
  return found;
}

async function lastAudit(): Promise<Json | undefined> {
  return (
    await rows(
      `select action, sender_id, registry, outcome, item_count, record_count, query, disclosed from audit order by seq desc limit 1`,
    )
  )[0];
}

describe('writing records', () => {
  it('creates, updates by version, links, unlinks and deletes, with an event and an audit row for each', async () => {
    expect((await write([{ op: 'create', record: person('w1') }])).body.results).toEqual([
      { op: 'create', status: 'created', record_type: 'person', version: 1 },
    ]);
    const updated = await write([{ op: 'update', version: 1, record: person('w1', { marital_status: 'W' }) }]);
    expect(updated.body.results).toEqual([{ op: 'update', status: 'updated', record_type: 'person', version: 2 }]);
    await write([{ op: 'create', record: group('g1') }]);
    const linked = await write([{ op: 'link', group: household('g1'), member: uin('w1'), head: true }]);
    expect(linked.body.results).toEqual([{ op: 'link', status: 'linked', record_type: 'group', version: 2 }]);
    const unlinked = await write([{ op: 'unlink', group: household('g1'), member: uin('w1') }]);
    expect(unlinked.body.results).toMatchObject([{ status: 'unlinked' }]);
    expect((await write([{ op: 'delete', identifier: uin('w1'), version: 4 }])).body.results).toEqual([
      { op: 'delete', status: 'deleted', record_type: 'person', version: 5 },
    ]);
    const events = await rows(`select kind, record_type as type, version from change_event order by seq`);
    expect(events.map(({ kind, type, version }) => `${String(kind)} ${String(type)} ${String(version)}`)).toEqual([
      'REGISTER person 1',
      'UPDATE person 2',
      'REGISTER group 1',
      'UPDATE group 2',
      'LINK person 3',
      'LINK group 2',
      'UPDATE group 3',
      'UNLINK person 4',
      'UNLINK group 3',
      'DELETE person 5',
    ]);
    expect(await lastAudit()).toMatchObject({
      action: 'write',
      sender_id: 'civil-office.test',
      registry: 'social',
      outcome: 'written',
      item_count: 1,
      record_count: 0,
      disclosed: [],
      query: [{ op: 'delete', status: 'deleted', record_type: 'person', version: 5 }],
    });
    expect(await rows(`select outcome from audit where action = 'write'`)).toHaveLength(6);
  });

  it('answers at the base path too, for the default registry or the one that is named', async () => {
    expect((await write([{ op: 'put', record: person('w2') }], { path: '/registry/records' })).status).toBe(200);
    const named = JSON.stringify({ reg_type: 'ns:org:RegistryType:Social', operations: [{ op: 'put', record: person('w2') }] });
    expect((await write([], { path: '/registry/records', body: named })).body.results).toMatchObject([{ status: 'unchanged' }]);
  });

  it('carries a batch out in its order, each operation on what those before left', async () => {
    const { body } = await write([
      { op: 'create', record: person('b1') },
      { op: 'create', record: group('bg') },
      { op: 'link', group: household('bg'), member: uin('b1') },
      { op: 'update', version: 2, record: person('b1', { is_disabled: true }) },
      { op: 'put', record: person('b1', { is_disabled: true }) },
    ]);
    expect(body.results).toMatchObject([
      { status: 'created', version: 1 },
      { status: 'created', version: 1 },
      { status: 'linked', version: 2 },
      { status: 'updated', version: 3 },
      { status: 'unchanged', version: 3 },
    ]);
  });

  it('of two updates made from one version carries out one', async () => {
    await write([{ op: 'create', record: person('race') }]);
    const update = (status: string): Promise<Reply> =>
      write([{ op: 'update', version: 1, record: person('race', { marital_status: status }) }]);
    const answers = await Promise.all(['W', 'M', 'S', 'D'].map(update));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409, 409, 409]);
    const [record] = await rows(
      `select version from record_social_person r join identifier i on i.record_id = r.id where i.value = 'race'`,
    );
    expect(record).toEqual({ version: 2 });
  });
});

describe('a request with a key', () => {
  it('is carried out once and answered alike, also when sent several times at once', async () => {
    const key = randomUUID();
    const operations = [{ op: 'create', record: person('k1') }];
    const answers = await Promise.all([1, 2, 3, 4, 5, 6].map(() => write(operations, { key })));
    expect(answers.map(({ status, body }) => ({ status, body }))).toEqual(
      answers.map(() => ({ status: 200, body: { results: [{ op: 'create', status: 'created', record_type: 'person', version: 1 }] } })),
    );
    expect(answers.filter(({ headers }) => headers.get('idempotency-replayed') === 'true')).toHaveLength(5);
    expect(await rows(`select kind from change_event e join identifier i using (record_id) where i.value = 'k1'`)).toEqual([
      { kind: 'REGISTER' },
    ]);
    expect((await write(operations, { key: `"${key}"` })).headers.get('idempotency-replayed')).toBe('true');
    expect(await lastAudit()).toMatchObject({ action: 'write', outcome: 'repeated' });
  });

  it('does not lend its key to another request', async () => {
    const key = randomUUID();
    await write([{ op: 'create', record: person('k2') }], { key });
    const before = await state();
    const other = await write([{ op: 'create', record: person('k3') }], { key });
    expect(other).toMatchObject({ status: 409, body: { type: 'urn:dci:problem:key-reused', status: 409 } });
    expect(await state()).toEqual(before);
    expect(await lastAudit()).toMatchObject({ outcome: 'key-reused' });
  });

  it('is free again where it was refused, and after a day', async () => {
    const key = randomUUID();
    expect((await write([{ op: 'delete', identifier: uin('k4') }], { key })).status).toBe(404);
    expect((await write([{ op: 'create', record: person('k4') }], { key })).status).toBe(200);
    await rows(`update write_request set expires_at = now() - interval '1 second' where key = $1`, key);
    expect((await write([{ op: 'delete', identifier: uin('k4') }], { key })).body.results).toMatchObject([{ status: 'deleted' }]);
  });

  it('is another one for another partner', async () => {
    const other = await server.addPartner('other-office.test', { scopes: ['registry/write'] });
    const key = randomUUID();
    await write([{ op: 'create', record: person('k5') }], { key });
    const answer = await write([{ op: 'create', record: person('k6') }], { key, token: other.token });
    expect(answer.body.results).toMatchObject([{ status: 'created' }]);
  });
});

describe('refusals, each with nothing written', () => {
  const refused: readonly [what: string, operations: readonly Json[], status: number, type: string, pointer: string][] = [
    ['a record that is there', [{ op: 'create', record: person('r1') }], 409, 'record-exists', '/operations/0/record'],
    [
      'another version',
      [{ op: 'update', version: 7, record: person('r1', { is_disabled: true }) }],
      409,
      'version-conflict',
      '/operations/0/version',
    ],
    [
      'another version at a delete',
      [{ op: 'delete', identifier: uin('r1'), version: 2 }],
      409,
      'version-conflict',
      '/operations/0/version',
    ],
    ['an update of nothing', [{ op: 'update', version: 1, record: person('nobody') }], 404, 'record-missing', '/operations/0/record'],
    ['a delete of nothing', [{ op: 'delete', identifier: uin('nobody') }], 404, 'record-missing', '/operations/0'],
    ['a member that is not there', [{ op: 'link', group: household('rg'), member: uin('nobody') }], 404, 'record-missing', '/operations/0'],
    [
      'a document that does not fit',
      [{ op: 'create', record: person('r2', { shoe_size: 44 }) }],
      422,
      'record-invalid',
      '/operations/0/record/shoe_size',
    ],
    [
      'a member’s document within an update',
      [{ op: 'update', version: 1, record: group('rg', { member_list: [person('r1', { is_disabled: true })] }) }],
      422,
      'record-invalid',
      '/operations/0/record/member_list/0',
    ],
    [
      'a group that names somebody who is not there',
      [{ op: 'create', record: group('rg2', { member_list: [reference('nobody')] }) }],
      422,
      'reference-invalid',
      '/operations/0/record/member_list/0',
    ],
    [
      'one bad operation after good ones',
      [
        { op: 'create', record: person('r3') },
        { op: 'delete', identifier: uin('nobody') },
      ],
      404,
      'record-missing',
      '/operations/1',
    ],
    ['an operation that is none', [{ op: 'upsert', record: person('r4') }], 400, 'request-invalid', '/operations/0/op'],
    ['a name that every object has', [{ op: 'constructor' }], 400, 'request-invalid', '/operations/0/op'],
    ['an update without version', [{ op: 'update', record: person('r1') }], 400, 'request-invalid', '/operations/0/version'],
    ['a member that is not declared', [{ op: 'delete', identifier: uin('r1'), force: true }], 400, 'request-invalid', '/operations/0'],
    [
      'an identifier that several may have',
      [{ op: 'delete', identifier: { identifier_type: 'MRN', identifier_value: '1' } }],
      400,
      'request-invalid',
      '/operations/0/identifier/identifier_type',
    ],
    ['no operations', [], 400, 'request-invalid', '/operations'],
  ];

  beforeAll(async () => {
    await write([
      { op: 'create', record: person('r1') },
      { op: 'create', record: group('rg') },
    ]);
  });

  it.each(refused)('%s', async (_what, operations, status, type, pointer) => {
    const before = await state();
    const answer = await write(operations, { key: randomUUID() });
    expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(answer).toMatchObject({ status, body: { type: `urn:dci:problem:${type}`, status, errors: [{ pointer }] } });
    expect(await state()).toEqual(before);
    expect((await lastAudit())?.['outcome']).not.toBe('written');
    expect(await lastAudit()).toMatchObject({ action: 'write', disclosed: [] });
  });

  it('tells the version that the record has', async () => {
    const { body } = await write([{ op: 'update', version: 7, record: person('r1') }]);
    expect(body).toMatchObject({ operation: 0, current_version: 1 });
  });

  it.each([
    ['no JSON', '{"operations":'],
    ['a member twice', '{"operations":[],"operations":[{"op":"delete"}]}'],
    ['a list', '[]'],
    ['a registry that is not there', JSON.stringify({ reg_type: 'crops', operations: [{ op: 'put', record: person('m1') }] })],
  ])('%s', async (_what, body) => {
    const before = await state();
    const answer = await write([], { body });
    expect([400, 403]).toContain(answer.status);
    expect(answer.body['type']).toMatch(/^urn:dci:problem:(request-invalid|forbidden)$/);
    expect(await state()).toEqual(before);
  });

  it.each(['', 'a b', 'x'.repeat(256), 'schlüssel', '"open'])('the key %j', async (key) => {
    const before = await state();
    const answer = await write([{ op: 'create', record: person('m2') }], { key });
    expect(answer).toMatchObject({ status: 400, body: { type: 'urn:dci:problem:key-invalid' } });
    expect(await state()).toEqual(before);
  });

  it('too many operations', async () => {
    const operations = Array.from({ length: 1001 }, () => ({ op: 'delete', identifier: uin('r1') }));
    expect(await write(operations)).toMatchObject({ status: 400, body: { errors: [{ pointer: '/operations' }] } });
  });

  it('no token, a token without the scope, a registry that is not open', async () => {
    const reader = await server.addPartner('reader.test');
    const elsewhere = await server.addPartner('elsewhere.test', { scopes: ['registry/write'], registries: [] });
    const before = await state();
    const operations = [{ op: 'create', record: person('m3') }];
    const local = await server.addPartner('district.test', {
      scopes: ['registry/write'],
      registryTerms: { social: { recordTypes: ['person'] } },
    });
    expect(await write(operations, { token: local.token })).toMatchObject({ status: 403, body: { type: 'urn:dci:problem:forbidden' } });
    const none = await fetch(`${server.base}/social/registry/records`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ operations }),
    });
    expect(none.status).toBe(401);
    expect(none.headers.get('www-authenticate')).toContain('Bearer');
    expect(await none.json()).toMatchObject({ type: 'urn:dci:problem:unauthorized', status: 401 });
    for (const { token } of [reader, elsewhere])
      for (const path of ['/social/registry/records', '/registry/records']) {
        const answer = await write(operations, { token, path });
        expect(answer).toMatchObject({ status: 403, body: { type: 'urn:dci:problem:forbidden' } });
      }
    expect(await state()).toEqual(before);
  });
});
