import { createHash, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findEventType } from '../../src/profiles/events.ts';
import { getRecordType } from '../../src/profiles/index.ts';
import type { Profile } from '../../src/profiles/profile.ts';
import { socialProfile } from '../../src/profiles/social.ts';
import { planSubscription } from '../../src/registry/search.ts';
import { toStoredFilter } from '../../src/registry/subscription-filter.ts';
import { deleteRecord, linkMember, unlinkMember } from '../../src/registry/write.ts';
import { type DueNotification, fanOut } from '../../src/services/fan-out.ts';
import { insertSubscription, putFilter } from '../../src/store/subscriptions.ts';
import { registerPartner } from '../../src/services/register-partner.ts';
import { group, household, openRegistry, person, type RegistryFixture, uin } from '../records/registry-fixture.ts';

// A registry's own event, as its profile would declare it.
const profile: Profile = {
  ...socialProfile,
  events: [
    ...(socialProfile.events ?? []),
    { name: 'BIRTH', synonyms: ['LiveBirth'], raisedBy: [{ kind: 'REGISTER', recordType: 'person' }] },
    { name: 'DEATH', synonyms: [], raisedBy: [{ kind: 'UPDATE', recordType: 'person', changed: ['demographic_info.death_date'] }] },
  ],
};

let registry: RegistryFixture;
let partnerId: string;
let due: DueNotification[];
const names = new Map<string, string>();

interface Wish {
  readonly type?: string;
  readonly entity?: string;
  /** A query expression; absent: everything. */
  readonly where?: object;
  readonly identifier?: { type: string; value: string };
  readonly schedule?: string;
  readonly state?: 'pending' | 'active';
  readonly starts?: number;
  readonly ends?: number;
}

async function subscribe(
  name: string,
  { type = 'UPDATE', entity = 'Member', where, identifier, schedule, state = 'active', starts = -1000, ends }: Wish,
): Promise<void> {
  const { db } = registry.database;
  const { plan, recordType } = bind(entity, where, identifier);
  const id = randomUUID();
  names.set(id, name);
  const filterId = await putFilter(db, toStoredFilter(profile, recordType, plan));
  const written = await insertSubscription(db, {
    id,
    code: name,
    partnerId,
    registry: 'social',
    entity,
    eventType: type,
    filterId,
    criteria: '{}',
    locale: null,
    schedule: schedule ?? null,
    startsAt: new Date(Date.now() + starts),
    endsAt: ends === undefined ? null : new Date(Date.now() + ends),
    notifyUri: null,
    replyTerms: {},
    state,
  });
  if (!written) throw new Error(`${name} is there already`);
}

function bind(entity: string, where: object | undefined, identifier: Wish['identifier']) {
  const recordType = getRecordType(profile, entity === 'Group' ? 'group' : 'person');
  const criteria =
    identifier === undefined
      ? { query_type: 'expression' as const, query: { type: 'x', value: { expression: { collection: entity, query: where ?? {} } } } }
      : { query_type: 'idtype-value' as const, query: identifier };
  const plan = planSubscription({ ...criteria, response_entity: entity }, where === undefined && identifier === undefined, {
    profile,
    partnerId,
    cursorKey: createHash('sha256').digest(),
    useOf: () => 'open',
    limits: { defaultPageSize: 1, maxPageSize: 1, maxMatches: 1, maxTerms: 50, maxDepth: 12, maxListValues: 1_000 },
    today: '2026-01-01',
    pointer: '',
  });
  return { recordType, plan: plan.filter };
}

/** Who is told what: `name: KIND version`, in the order of events; waits until all that has happened was read. */
async function run(): Promise<string[]> {
  const { db } = registry.database;
  for (let attempt = 0; attempt < 200; attempt += 1) {
    await fanOut({ db, profiles: [profile], now: Date.now, enqueue: async (_db, more) => void due.push(...more) });
    const [row] = await registry.rows(`select count(*)::integer as left from change_event, event_cursor
      where name = 'subscriptions' and (xid >= until_xid or seq >= until_seq or seq > last_seq)`);
    if (row?.['left'] === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const rows = await registry.rows(`delete from pending_event returning subscription_id as id, kind, version, seq`);
  return rows
    .toSorted((one, other) => Number(one['seq']) - Number(other['seq']))
    .map(({ id, kind, version }) => `${names.get(String(id)) ?? '?'}: ${String(kind)} ${String(version)}`)
    .toSorted();
}

describe('a change is matched', () => {
  beforeEach(async () => {
    registry = await openRegistry();
    const { db } = registry.database;
    await registerPartner(db, [profile], { senderId: 'asker.test', terms: { registries: ['social'] }, keys: [] });
    partnerId = String((await registry.rows('select id from partner'))[0]?.['id']);
    names.clear();
    due = [];
  });

  afterEach(() => registry.close());

  it('by identifier, equality, condition, and for all; not where nothing fits', async () => {
    await subscribe('id', { identifier: { type: 'UIN', value: 'p1' } });
    await subscribe('other id', { identifier: { type: 'UIN', value: 'p2' } });
    await subscribe('sex', { where: { sex: { $eq: 'female' } } });
    await subscribe('other sex', { where: { sex: { $eq: 'male' } } });
    await subscribe('both', { where: { $and: [{ sex: { $eq: 'female' } }, { birth_date: { $gt: '1980-01-01' } }] } });
    await subscribe('too late', { where: { $and: [{ sex: { $eq: 'female' } }, { birth_date: { $gt: '1999-01-01' } }] } });
    await subscribe('either', { where: { $or: [{ UIN: { $eq: 'p1' } }, { marital_status: { $eq: 'D' } }] } });
    await subscribe('range', { where: { birth_date: { $lt: '2000-01-01' } } });
    await subscribe('not', { where: { $nor: [{ sex: { $eq: 'male' } }] } });
    await subscribe('prefix', { where: { given_name: { $regex: '^An' } } });
    await subscribe('age', { where: { age: { $gte: 18 } } });
    await subscribe('all', {});
    await subscribe('all groups', { entity: 'Group' });
    await registry.put(person('p1', {}, { name: { given_name: 'Ana' } }));
    expect(await run()).toEqual([]);
    await registry.put(person('p1', { marital_status: 'W' }, { name: { given_name: 'Ana' } }));
    expect(await run()).toEqual(['age', 'all', 'both', 'either', 'id', 'not', 'prefix', 'range', 'sex'].map((name) => `${name}: UPDATE 2`));
    expect(due).toHaveLength(9);
  });

  it('by the record that it is now, and by conditions on those it is bound to', async () => {
    await subscribe('poor', { type: 'LINK', where: { 'Group.poverty_score': { $lt: 5 } } });
    await subscribe('with a woman', { type: 'LINK', entity: 'Group', where: { 'member_list.sex': { $eq: 'female' } } });
    await registry.put(group('g1', { poverty_score: 3 }), group('g2', { poverty_score: 7 }), person('p1'), person('p2'));
    const { db } = registry.database;
    await linkMember(db, profile, household('g1'), uin('p1'));
    await linkMember(db, profile, household('g2'), uin('p2'));
    expect(await run()).toEqual(['poor: LINK 2', 'with a woman: LINK 2', 'with a woman: LINK 2']);
  });

  it('under each name of its event', async () => {
    for (const type of ['REGISTER', 'UPDATE', 'DELETE', 'LINK', 'UNLINK', 'BIRTH', 'DEATH']) await subscribe(type, { type });
    await subscribe('member', { type: 'NewHouseHoldMember', entity: 'Group' });
    const { db } = registry.database;
    await registry.put(person('p1'), group('g1'));
    expect(await run()).toEqual(['BIRTH: REGISTER 1', 'REGISTER: REGISTER 1']);
    await registry.put(person('p1', { is_disabled: true }));
    expect(await run()).toEqual(['UPDATE: UPDATE 2']);
    await registry.put(person('p1', { is_disabled: true }, { death_date: '2025-01-01' }));
    expect(await run()).toEqual(['DEATH: UPDATE 3', 'UPDATE: UPDATE 3']);
    await linkMember(db, profile, household('g1'), uin('p1'));
    expect(await run()).toEqual(['LINK: LINK 4', 'member: LINK 2']);
    await unlinkMember(db, profile, household('g1'), uin('p1'));
    expect(await run()).toEqual(['UNLINK: UNLINK 5']);
    await deleteRecord(db, profile, uin('p1'));
    expect(await run()).toEqual(['DELETE: DELETE 6']);
  });

  it('when a record is deleted, by what it was; conditions on others are not guessed at', async () => {
    const type = 'DELETE';
    await subscribe('id', { type, identifier: { type: 'UIN', value: 'p1' } });
    await subscribe('sex', { type, where: { sex: { $eq: 'female' } } });
    await subscribe('range', { type, where: { birth_date: { $lt: '2000-01-01' } } });
    await subscribe('too late', { type, where: { birth_date: { $gt: '2000-01-01' } } });
    await subscribe('not him', { type, where: { $nor: [{ UIN: { $eq: 'p1' } }] } });
    await subscribe('not rich', { type, where: { $nor: [{ 'Group.poverty_score': { $gt: 5 } }] } });
    await registry.put(person('p1'));
    await deleteRecord(registry.database.db, profile, uin('p1'));
    expect(await run()).toEqual(['id: DELETE 2', 'range: DELETE 2', 'sex: DELETE 2']);
  });

  it('for subscriptions in force when it happened', async () => {
    await subscribe('active', {});
    await subscribe('pending', { state: 'pending', where: { sex: { $eq: 'female' } } });
    await subscribe('later', { starts: 60_000, where: { sex: { $in: ['female', 'male'] } } });
    await subscribe('over', { ends: -500, where: { birth_date: { $lt: '2000-01-01' } } });
    await registry.put(person('p1'));
    await registry.put(person('p1', { is_disabled: true }));
    expect(await run()).toEqual(['active: UPDATE 2']);
  });

  it('once for identical filters, however they are written', async () => {
    await subscribe('one', { where: { $and: [{ sex: { $eq: 'female' } }, { marital_status: { $in: ['W', 'D', 'W'] } }] } });
    await subscribe('two', {
      type: 'REGISTER',
      where: { $and: [{ $and: [{ marital_status: { $in: ['D', 'W'] } }] }, { sex: { $in: ['F'] } }] },
    });
    expect(await registry.rows('select 1 from subscription_filter')).toHaveLength(1);
    await registry.put(person('p1', { marital_status: 'W' }));
    await registry.put(person('p1', { marital_status: 'D' }));
    expect(await run()).toEqual(['one: UPDATE 2', 'two: REGISTER 1']);
  });

  it('not twice where the turn is taken again', async () => {
    await subscribe('all', { type: 'REGISTER' });
    await registry.put(person('p1'));
    const { db } = registry.database;
    const broken = { db, profiles: [profile], now: Date.now, enqueue: async () => Promise.reject(new Error('crash')) };
    for (let attempt = 0; attempt < 200; attempt += 1) if ((await fanOut(broken).catch(() => 'crashed')) === 'crashed') break;
    expect(await run()).toEqual(['all: REGISTER 1']);
    expect(await run()).toEqual([]);
  });

  it('and gathered until the time that the subscriber wants', async () => {
    await subscribe('hourly', { type: 'REGISTER', schedule: '0 * * * *' });
    await registry.put(person('p1'));
    await run();
    await registry.put(person('p2'));
    await run();
    expect(due.map(({ runAt }) => runAt?.toISOString().slice(14))).toEqual(['00:00.000Z']);
    await registry.rows(`update subscription set gathering_until = now() - interval '1 second'`);
    await registry.put(person('p3'));
    await run();
    expect(due).toHaveLength(2);
  });
});

describe('the name of an event', () => {
  it.each([
    ['REGISTER', 'REGISTER'],
    ['registration', 'REGISTER'],
    ['spdci-common:RegistryEventType:Deregister', 'DELETE'],
    ['spdci-common:RegistryEventType:LiveBirth', 'BIRTH'],
    ['ns:org/NewHouseHoldMember', 'NewHouseHoldMember'],
    ['MARRIAGE', undefined],
    ['', undefined],
    ['constructor', undefined],
  ])('%j is %s', (name, expected) => {
    expect(findEventType(profile, name)?.name).toBe(expected);
  });
});
