import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deleteRecord, linkMember, unlinkMember } from '../../src/registry/write.ts';
import { group, household, openRegistry, person, reference, type RegistryFixture, uin } from './registry-fixture.ts';

let registry: RegistryFixture;

beforeAll(async () => {
  registry = await openRegistry();
});

afterAll(() => registry.close());

beforeEach(async () => {
  await registry.rows('truncate record_social_person, record_social_group, identifier, membership, change_event');
  await registry.events();
});

/** Values of the members' UINs, in order; the head is marked. */
async function members(value: string): Promise<string[]> {
  const document = (await registry.show(household(value)))?.document;
  const key = (member: unknown): string => JSON.stringify(member).match(/"identifier_value":"([^"]+)"/)?.[1] ?? '';
  const head = document?.['group_head_info'] === undefined ? undefined : key(document['group_head_info']);
  const list = (document?.['member_list'] ?? []) as unknown[];
  return list.map((member) => (key(member) === head ? `${key(member)}*` : key(member)));
}

async function size(value: string): Promise<unknown> {
  return (await registry.show(household(value)))?.document['group_size'];
}

describe('a group that brings its members', () => {
  it('is written with them in one go: records, order, head, size and events', async () => {
    const results = await registry.put(group('h1', { member_list: [person('p1'), person('p2')], group_head_info: reference('p2') }));
    expect(results).toMatchObject([{ status: 'created', recordType: 'group', version: 1, counts: { created: 3 } }]);
    expect(await members('h1')).toEqual(['p1', 'p2*']);
    expect(await size('h1')).toBe(2);
    expect(await registry.events()).toEqual([
      'REGISTER person v1',
      'REGISTER person v1',
      'REGISTER group v1',
      'LINK person v1',
      'LINK group v1',
      'LINK person v1',
      'LINK group v1',
    ]);
  });

  it('changes nothing when it comes again', async () => {
    const line = group('h1', { member_list: [person('p1'), person('p2')], group_head_info: person('p2') });
    await registry.put(line);
    await registry.events();
    expect(await registry.put(line)).toMatchObject([{ status: 'unchanged', counts: { created: 0, updated: 0, unchanged: 3 } }]);
    expect(await registry.events()).toEqual([]);
  });

  it('adds and drops members: LINK and UNLINK on both, a version on each', async () => {
    await registry.put(group('h1', { member_list: [person('p1'), person('p2')] }));
    await registry.events();
    await registry.put(group('h1', { member_list: [reference('p2'), person('p3')] }));
    expect(await members('h1')).toEqual(['p2', 'p3']);
    expect(await registry.events()).toEqual([
      'REGISTER person v1',
      'UNLINK person v2',
      'UNLINK group v2',
      'LINK person v1',
      'LINK group v2',
    ]);
    const related = await registry.rows(
      `select e.record_type from change_event e join identifier i on i.record_id = e.related_id where e.kind = 'UNLINK' order by seq`,
    );
    expect(related).toEqual([{ record_type: 'person' }, { record_type: 'group' }]);
  });

  it('updates a member whose document changed', async () => {
    await registry.put(group('h1', { member_list: [person('p1'), person('p2')] }));
    await registry.events();
    const again = group('h1', { member_list: [person('p1', { marital_status: 'D' }), person('p2')] });
    expect(await registry.put(again)).toMatchObject([{ status: 'unchanged', counts: { updated: 1, unchanged: 2 } }]);
    expect(await registry.events()).toEqual(['UPDATE person v2 marital_status']);
  });

  it('tells a new head and a new order as changes of the group', async () => {
    await registry.put(group('h1', { member_list: [person('p1'), person('p2')], group_head_info: reference('p1') }));
    await registry.events();
    await registry.put(group('h1', { member_list: [reference('p1'), reference('p2')], group_head_info: reference('p2') }));
    await registry.put(group('h1', { member_list: [reference('p2'), reference('p1')], group_head_info: reference('p2') }));
    expect(await members('h1')).toEqual(['p2*', 'p1']);
    expect(await registry.events()).toEqual(['UPDATE group v2 group_head_info', 'UPDATE group v3 member_list']);
  });

  it('keeps the members when it says nothing of them, and takes a head alone into them', async () => {
    await registry.put(group('h1', { member_list: [person('p1')] }), person('p2'));
    await registry.put(group('h1', { poverty_score: 3 }));
    expect(await members('h1')).toEqual(['p1']);
    await registry.put(group('h1', { poverty_score: 3, group_head_info: reference('p2') }));
    expect(await members('h1')).toEqual(['p1', 'p2*']);
    expect(await size('h1')).toBe(2);
    await registry.put(group('h1', { member_list: [] }));
    expect(await members('h1')).toEqual([]);
    expect(await size('h1')).toBe(0);
  });

  it('has the size it states, whatever its members', async () => {
    await registry.put(group('h1', { group_size: 7, member_list: [person('p1')] }));
    expect(await size('h1')).toBe(7);
  });

  it('is refused whole when one member is bad or unknown', async () => {
    const results = await registry.put(
      group('h1', { member_list: [person('p1'), person('p2', { marital_status: 'happy' })] }),
      group('h2', { member_list: [person('p3'), reference('nobody')] }),
      group('h3', { member_list: [person('p4'), person('p4')] }),
      group('h4', { member_list: [person('p5')] }),
    );
    expect(results).toMatchObject([
      { status: 'refused', problems: [{ pointer: '/member_list/1/marital_status' }] },
      { status: 'refused', problems: [{ pointer: '/member_list/1', text: 'refers to a person that is not in the registry' }] },
      { status: 'refused', problems: [{ pointer: '/member_list/1', text: 'is the same member as one before it' }] },
      { status: 'created' },
    ]);
    expect(await registry.rows('select value from identifier order by 1')).toEqual([{ value: 'h4' }, { value: 'p5' }]);
  });

  it('may refer to a person of a line before', async () => {
    expect(await registry.put(person('p1'), group('h1', { member_list: [reference('p1')] }))).toMatchObject([
      { status: 'created' },
      { status: 'created' },
    ]);
    expect(await registry.events()).toEqual(['REGISTER person v1', 'REGISTER group v1', 'LINK person v2', 'LINK group v1']);
  });
});

describe('linking and unlinking', () => {
  beforeEach(async () => {
    await registry.put(group('h1', { member_list: [person('p1')], group_head_info: reference('p1') }), person('p2'));
    await registry.events();
  });

  it('changes membership, size and versions of both, and tells both', async () => {
    const { db } = registry.database;
    expect(await linkMember(db, registry.profile, household('h1'), uin('p2'))).toMatchObject({ status: 'changed' });
    expect(await members('h1')).toEqual(['p1*', 'p2']);
    expect(await size('h1')).toBe(2);
    expect(await registry.events()).toEqual(['UPDATE group v2 group_size', 'LINK person v2', 'LINK group v2']);
    expect(await linkMember(db, registry.profile, household('h1'), uin('p2'))).toMatchObject({ status: 'unchanged' });
    expect(await linkMember(db, registry.profile, household('h1'), uin('p2'), { isHead: true })).toMatchObject({ status: 'changed' });
    expect(await members('h1')).toEqual(['p1', 'p2*']);
    expect(await registry.events()).toEqual(['UPDATE group v3 group_head_info']);
    expect(await unlinkMember(db, registry.profile, household('h1'), uin('p1'))).toMatchObject({ status: 'changed' });
    expect(await registry.events()).toEqual(['UPDATE group v4 group_size', 'UNLINK person v2', 'UNLINK group v4']);
    expect(await size('h1')).toBe(1);
  });

  it('knows what is not there', async () => {
    const { db } = registry.database;
    expect(await linkMember(db, registry.profile, household('h9'), uin('p2'))).toMatchObject({ status: 'not-found' });
    expect(await unlinkMember(db, registry.profile, household('h1'), uin('p9'))).toMatchObject({ status: 'not-found' });
    expect(await unlinkMember(db, registry.profile, household('h1'), uin('p2'))).toMatchObject({ status: 'unchanged' });
    expect(await registry.events()).toEqual([]);
  });
});

describe('deleting', () => {
  it('a person leaves its groups', async () => {
    await registry.put(group('h1', { member_list: [person('p1'), person('p2')] }), group('h2', { member_list: [reference('p1')] }));
    await registry.events();
    await deleteRecord(registry.database.db, registry.profile, uin('p1'));
    expect(await members('h1')).toEqual(['p2']);
    expect([await size('h1'), await size('h2')]).toEqual([1, 0]);
    const events = await registry.events();
    expect(events.toSorted()).toEqual(
      [
        'DELETE person v3',
        'UNLINK group v2',
        'UNLINK group v2',
        'UNLINK person v3',
        'UNLINK person v3',
        'UPDATE group v2 group_size',
        'UPDATE group v2 group_size',
      ].toSorted(),
    );
    expect(events.at(-1)).toBe('DELETE person v3');
  });

  it('a group lets its members go', async () => {
    await registry.put(group('h1', { member_list: [person('p1'), person('p2')] }));
    await registry.events();
    await deleteRecord(registry.database.db, registry.profile, household('h1'));
    expect(await registry.events()).toEqual([
      'UNLINK person v2',
      'UNLINK group v2',
      'UNLINK person v2',
      'UNLINK group v2',
      'DELETE group v2',
    ]);
    expect(await registry.rows('select 1 from membership')).toEqual([]);
    expect(await registry.show(uin('p1'))).toMatchObject({ version: 2 });
  });
});

describe('writers of the same group at the same time', () => {
  it('leave a membership that one of them wrote', async () => {
    await registry.put(...['p1', 'p2', 'p3', 'p4'].map((value) => person(value)));
    const { db } = registry.database;
    await Promise.all([
      registry.put(group('h1', { member_list: ['p1', 'p2'].map(reference) })),
      registry.put(group('h1', { member_list: ['p4', 'p3', 'p2'].map(reference) })),
      registry.put(group('h2', { member_list: ['p3', 'p2', 'p1'].map(reference) })),
    ]);
    await Promise.all(['p1', 'p2', 'p3', 'p4'].map((value) => linkMember(db, registry.profile, household('h1'), uin(value))));
    expect((await members('h1')).toSorted()).toEqual(['p1', 'p2', 'p3', 'p4']);
    expect(await size('h1')).toBe(4);
  });
});
