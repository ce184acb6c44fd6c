import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { socialProfile } from '../../src/profiles/social.ts';
import { deleteRecord, linkMember, putRecords, unlinkMember } from '../../src/registry/write.ts';
import { type GivenConsent, parseGivenConsent } from '../../src/services/consent-request.ts';
import { giveConsent } from '../../src/services/consents.ts';
import { callWorkers, holdJobs, resumeJobs } from '../../src/store/lanes.ts';
import { startRecordingReceiver } from '../support/recording-receiver.ts';
import { startTestApp, type TestPartner } from '../support/test-app.ts';
import {
  CONSENTS,
  expectChange,
  expectFields,
  expectFound,
  expectGone,
  expectLinked,
  isLimited,
  HOMES,
  type Home,
  household,
  type Json,
  KINDS,
  type Kind,
  listFields,
  mayUse,
  type Name,
  PERSONS,
  QUERIES,
} from './matrix-table.ts';
import { type Criteria, listTold, subscribe, type Subscribed, type ToldRecord, toSubscription, WAYS_OUT, type World } from './ways-out.ts';

/**
 * Kinds of partners × kinds of queries × ways out: what each is given, field by field, and that what is counted is what is
 * given; then what each is told of what happens to the same records.
 */
let world: World;
const partners = new Map<string, TestPartner>();
const subscribed = new Map<TestPartner, Map<Criteria, Subscribed>>();
const PATIENCE = { timeout: 60_000, interval: 50 };

beforeAll(async () => {
  const test = await startTestApp({}, { DCI_ALLOW_HTTP_CALLBACKS: 'true', DCI_ALLOW_PRIVATE_CALLBACKS: 'true' });
  const receiver = await startRecordingReceiver(test.base);
  world = { test, receiver, subscribed };
  const questions = Object.values(QUERIES)
    .map(({ criteria }) => criteria)
    .filter((criteria) => WAYS_OUT['notification']?.takes(criteria));
  for (const [kind, { terms }] of Object.entries(KINDS)) {
    const partner = await test.addPartner(`${kind.replaceAll(' ', '-')}.test`, {
      scopes: ['registry/search', 'registry/subscribe', 'registry/subscribe-all'],
      callbackPrefixes: [`${receiver.origin}/dci`],
      ...terms,
    });
    partners.set(kind, partner);
    const outcomes = await subscribe(world, partner, questions.map(toSubscription));
    subscribed.set(partner, new Map(questions.map((criteria, index) => [criteria, outcomes[index] ?? { refusal: 'no answer' }])));
  }
  // Consent is given for what is registered, and counts for what is told later.
  const { rows: owners } = await test.database.pool.query<{ id: string }>('select id from partner');
  const held = owners.map(({ id }) => ({ kind: 'notify', owner: id }));
  for (const jobs of held) await holdJobs(test.database.db, { ...jobs, until: undefined, reason: 'test' });
  const { ada, bob, cat, dan } = PERSONS;
  await put(household('H1', 2, 'D-1', [ada, bob]), household('H2', 8, 'D-2', [cat, dan]));
  await vi.waitFor(async () => {
    const { rows } = await test.database.pool.query(`select distinct seq from pending_event where kind = 'REGISTER'`);
    expect(rows).toHaveLength(6);
  }, PATIENCE);
  for (const [type, value, covers] of CONSENTS) {
    const subject = { identifier_type: type, identifier_value: value };
    const given: GivenConsent = parseGivenConsent({ subject, recipient: { partner: 'consent.test' }, purposes: ['care'], covers });
    await giveConsent(test.database.db, socialProfile, given, 'operator', Date.now());
  }
  for (const jobs of held) await resumeJobs(test.database.db, jobs);
  await callWorkers(test.database.pool);
  await settle();
}, 120_000);
afterAll(async () => {
  await world.test.close();
  await world.receiver.close();
});

async function put(...documents: Json[]): Promise<void> {
  const results = await putRecords(world.test.database.db, socialProfile, documents);
  expect(results.map((result) => ('problems' in result ? result.problems : []))).toEqual(documents.map(() => []));
}

/** Waits until all that is to be told has arrived. */
async function settle(): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await world.test.database.pool.query(
      `select (select count(*) from pending_event)::integer as events,
        (select count(*) from job where state <> 'dead' and run_at <= now())::integer as jobs`,
    );
    expect(rows).toEqual([{ events: 0, jobs: 0 }]);
  }, PATIENCE);
}

function getPartner(kind: string): TestPartner {
  const partner = partners.get(kind);
  if (partner === undefined) throw new Error('no such partner');
  return partner;
}

/** What is told of a record, without its members. */
function describeRecord(record: Criteria): string {
  const { member_list: _list, group_head_info: _head, ...rest } = record;
  return listFields(rest).toSorted().join(' ');
}

describe.each(Object.entries(WAYS_OUT))('by the way of %s', (_way, { ask, takes }) => {
  describe.each(Object.entries(KINDS))('a partner under %s', (name, kind) => {
    it.each(Object.entries(QUERIES).filter(([, { criteria }]) => takes(criteria)))('asking %s', async (_query, query) => {
      const answers = await ask(world, getPartner(name), query.criteria);
      const [first] = answers;
      const isClosed =
        query.uses.some((used) => !mayUse(kind, used)) || (kind.homes.h1 === undefined && query.finds.some((one) => one.startsWith('h')));
      if (isClosed) {
        expect(first).toMatchObject({
          status: 'rjct',
          status_reason_code: expect.stringMatching(/^rjct\.(filter|sort|search_criteria|notify_details)\.invalid$/),
        });
        expect(answers.flatMap((answer) => answer.data?.reg_records ?? [])).toEqual([]);
        return;
      }
      const expected = expectFound(kind, query);
      const records = answers.flatMap((answer) => answer.data?.reg_records ?? []);
      expect(first?.status, JSON.stringify(first)).toBe('succ');
      expect(new Set(answers.map((answer) => answer.pagination?.total_count))).toEqual(new Set([expected.length]));
      const fields = records.map((record) =>
        [...describeRecord(record).split(' '), ...(record['member_list'] === undefined ? [] : ['member_list'])].toSorted().join(' ').trim(),
      );
      expect(fields.toSorted()).toEqual(expected.map((one) => [...expectFields(kind, one)].toSorted().join(' ')).toSorted());
      for (const record of records) {
        const list = (record['member_list'] ?? []) as Json[];
        const home = expected.find((one) => one === 'h1' || one === 'h2') as Home | undefined;
        if (home === undefined || expected.length > 1) continue;
        const members = HOMES[home].filter((member) => member in kind.persons);
        expect(
          list.map((member) =>
            listFields(member['demographic_info'] ?? {})
              .toSorted()
              .join(' '),
          ),
        ).toEqual(kind.members === false ? [] : members.map((member) => [...(kind.persons[member] ?? [])].toSorted().join(' ')));
      }
    });
  });
});

const EVENTS = ['UPDATE', 'LINK', 'UNLINK', 'DELETE'] as const;
const ENTITIES = ['SRPerson', 'Group'] as const;
type EventName = (typeof EVENTS)[number];

/** Whose field was changed, by what must be given, and what is told of it. Of what is in a list it is only known that the list is another. */
const CHANGES: readonly (readonly [Name | Home, string, string])[] = [
  ['ada', 'given_name', 'demographic_info.name'],
  ['bob', 'birth_date|day', 'demographic_info.birth_date'],
  ['cat', 'sex', 'demographic_info.sex'],
  ['dan', 'phone_number', 'demographic_info.phone_number'],
  ['h1', 'poverty_score', 'poverty_score'],
  ['h2', 'district', 'address'],
  ['h1', 'group_size', 'group_size group_head_info'],
  ['h2', 'group_size', 'group_size group_head_info'],
  ['h2', 'group_size', 'group_size'],
  ['h1', 'group_size', 'group_size'],
  ['h1', 'group_size', 'group_size'],
];

/** Of each link both ends are told; who is gone can be looked up by nobody whose sight is limited. */
const LINKS = [
  { event: 'UNLINK', person: 'ada', home: 'h1' },
  { event: 'UNLINK', person: 'cat', home: 'h2' },
  { event: 'UNLINK', person: 'dan', home: 'h2' },
  { event: 'LINK', person: 'dan', home: 'h1' },
  { event: 'UNLINK', person: 'bob', home: 'h1', isGone: true },
].flatMap(({ event, person, home, isGone = false }) => [
  ...(isGone ? [] : [{ event, of: person as Name, with: home as Home, isGone }]),
  { event, of: home as Home, with: person as Name, isGone },
]);

const GONE: readonly (Name | Home)[] = ['ada', 'bob', 'cat', 'h2'];

describe('of what happens to a record', () => {
  const everything = new Map<string, Map<string, Subscribed>>();
  const by = (type: 'UIN' | 'HHID', value: string) => ({ recordType: type === 'UIN' ? 'person' : 'group', type, value });

  beforeAll(async () => {
    const { db, pool } = world.test.database;
    await pool.query(`update subscription set state = 'ended'`);
    const asked = EVENTS.flatMap((event) => ENTITIES.map((entity) => [event, entity] as const));
    for (const [kind, partner] of partners) {
      const outcomes = await subscribe(
        world,
        partner,
        asked.map(([event, entity]) => ({ reg_event_type: event, notify_record_type: entity, filter: { type: '*', value: '*' } })),
      );
      everything.set(
        kind,
        new Map(asked.map(([event, entity], index) => [`${event} ${entity}`, outcomes[index] ?? { refusal: 'no answer' }])),
      );
    }
    const { ada, bob, cat, dan } = PERSONS;
    const changed = (whole: Json, info: Json): Json => ({
      ...whole,
      demographic_info: { ...(whole['demographic_info'] as Json), ...info },
    });
    const home = household('H2', 8, 'D-2', [changed(cat, { sex: 'male' }), changed(dan, { phone_number: ['+15550100999'] })]);
    await put(
      household('H1', 3, 'D-1', [changed(ada, { name: { given_name: 'Adah' } }), changed(bob, { birth_date: '1985-05-18T00:00:00Z' })]),
      { ...home, address: [{ locality: 'Village', sub_region_code: 'D-2' }] },
    );
    await told('UPDATE', 4 + 2);
    for (const [hhid, uin] of [
      ['H1', '1'],
      ['H2', '3'],
      ['H2', '4'],
    ] as const)
      await unlinkMember(db, socialProfile, by('HHID', hhid), by('UIN', uin));
    await linkMember(db, socialProfile, by('HHID', 'H1'), by('UIN', '4'));
    await told('LINK', 2);
    for (const reference of [by('UIN', '1'), by('UIN', '2'), by('UIN', '3'), by('HHID', 'H2')])
      await deleteRecord(db, socialProfile, reference);
    await told('DELETE', 4);
  }, 120_000);

  /** Waits until whoever sees everything was told so many records of such events, and all others what they are told. */
  async function told(event: EventName, count: number): Promise<void> {
    await vi.waitFor(() => {
      const arrived = ENTITIES.flatMap((entity) => listTold(world.receiver, find('full', event, entity)).records);
      expect(arrived).toHaveLength(count);
    }, PATIENCE);
    await settle();
  }

  function find(kind: string, event: EventName, entity: string): { readonly code: string } {
    const outcome = everything.get(kind)?.get(`${event} ${entity}`);
    if (outcome === undefined || !('code' in outcome)) throw new Error(`${kind} has no subscription to ${event} of ${entity}`);
    return outcome;
  }

  describe.each(Object.entries(KINDS))('a partner under %s', (name, kind) => {
    it.each(ENTITIES)('is told of each %s what it may see', (entity) => {
      const isOpen = entity === 'SRPerson' || Object.keys(kind.homes).length > 0;
      if (!isOpen) {
        expect([...(everything.get(name) ?? [])].filter(([key]) => key.endsWith(entity)).map(([, outcome]) => outcome)).toEqual(
          EVENTS.map(() => ({ refusal: 'rjct.notify_details.invalid' })),
        );
        return;
      }
      const arrived = Object.fromEntries(
        EVENTS.map((event) => {
          const { total, records } = listTold(world.receiver, find(name, event, entity));
          expect(total).toBe(records.length);
          return [event, records.map((one) => describeTold(event, one)).toSorted()];
        }),
      );
      expect(arrived).toEqual(Object.fromEntries(EVENTS.map((event) => [event, [...expectTold(kind, event, entity)].toSorted()])));
    });
  });

  const describeTold = (event: EventName, { record, changed }: ToldRecord): string =>
    `${describeRecord(record)}${event === 'UPDATE' ? ` because of ${changed.join(' ')}` : ''}`;

  /** The same, by plain rules. */
  function expectTold(kind: Kind, event: EventName, entity: string): readonly string[] {
    // Who is at the head may not be in sight.
    const withoutMembers = (path: string): string => (isLimited(kind) ? path.replace(' group_head_info', '') : path);
    const isOf = (one: Name | Home): boolean => one.startsWith('h') === (entity === 'Group') && one in { ...kind.persons, ...kind.homes };
    const fields = (one: Name | Home): string =>
      expectFields(kind, one)
        .filter((field) => field !== 'member_list')
        .toSorted()
        .join(' ');
    switch (event) {
      case 'UPDATE':
        return CHANGES.filter(([one, field]) => isOf(one) && expectChange(kind, one, field)).map(
          ([one, , path]) => `${fields(one)} because of ${withoutMembers(path)}`,
        );
      case 'LINK':
      case 'UNLINK':
        return LINKS.filter((link) => link.event === event && isOf(link.of) && expectLinked(kind, link)).map(({ of }) => fields(of));
      case 'DELETE':
        return GONE.filter((one) => isOf(one) && expectGone(kind, one)).map((one) =>
          fields(one)
            .split(' ')
            .filter((field) => field.endsWith('identifier'))
            .join(' '),
        );
    }
  }
});
