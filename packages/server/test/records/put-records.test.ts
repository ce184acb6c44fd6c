import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteRecord } from '../../src/registry/write.ts';
import { openRegistry, person, type RegistryFixture, uin } from './registry-fixture.ts';

let registry: RegistryFixture;

beforeAll(async () => {
  registry = await openRegistry();
});

afterAll(() => registry.close());

function statuses(results: readonly { status: string }[]): string[] {
  return results.map((result) => result.status);
}

describe('a record', () => {
  it('is created once, then unchanged, then updated, with an event for each change', async () => {
    expect(statuses(await registry.put(person('a1')))).toEqual(['created']);
    expect(statuses(await registry.put(person('a1')))).toEqual(['unchanged']);
    expect(await registry.put(person('a1', { marital_status: 'widow' }, { sex: 'M' }))).toMatchObject([{ status: 'updated', version: 2 }]);
    expect(await registry.events()).toEqual(['REGISTER person v1', 'UPDATE person v2 demographic_info.sex marital_status']);
    expect((await registry.show(uin('a1')))?.document).toEqual({
      '@type': 'Member',
      marital_status: 'W',
      demographic_info: {
        '@type': 'SRPerson',
        identifier: [{ identifier_type: 'UIN', identifier_value: 'a1' }],
        sex: 'male',
        birth_date: '1990-02-03T00:00:00Z',
      },
    });
  });

  it('may be put several times in one call: each sees what the one before left', async () => {
    const results = await registry.put(person('b1'), person('b1'), person('b1', { is_disabled: true }), person('b2'));
    expect(statuses(results)).toEqual(['created', 'unchanged', 'updated', 'created']);
    expect(await registry.events()).toEqual(['REGISTER person v1', 'UPDATE person v2 is_disabled', 'REGISTER person v1']);
  });

  it('tells of an object which fields in it changed, of a list only that it is another', async () => {
    await registry.put(
      person('o1', {}, { name: { given_name: 'Ana', surname: 'Lima' }, address: [{ locality: 'Hill', postal_code: '1' }] }),
    );
    await registry.put(
      person('o1', {}, { name: { given_name: 'Ana', surname: 'Costa', prefix: 'Dr' }, address: [{ locality: 'Vale', postal_code: '1' }] }),
    );
    await registry.put(person('o1'));
    const [address, name] = ['demographic_info.address', 'demographic_info.name'];
    expect(await registry.events()).toEqual([
      'REGISTER person v1',
      `UPDATE person v2 ${address} ${name}.prefix ${name}.surname`,
      `UPDATE person v3 ${address} ${name}.given_name ${name}.prefix ${name}.surname`,
    ]);
  });

  it('fills its search columns, and empties them again', async () => {
    const named = { name: { given_name: ' Zoe\u0301 ' }, address: [{ postal_code: '12345' }, { postal_code: '99999' }] };
    await registry.put(person('c1', { registration_date: '2024-05-01T10:00:00+02:00' }, named));
    const columns = `select a_given_name, a_postal_code, a_birth_date::text, a_registration_date at time zone 'UTC' as registered, a_is_disabled
      from record_social_person where id = (select record_id from identifier where value = $1)`;
    const [first] = await registry.rows(columns.replace("at time zone 'UTC'", '::text'), ['c1']);
    expect(first).toMatchObject({ a_given_name: 'Zoé', a_postal_code: '12345', a_birth_date: '1990-02-03', a_is_disabled: null });
    expect(new Date(String(first?.['registered'])).toISOString()).toBe('2024-05-01T08:00:00.000Z');
    await registry.put(person('c1', { is_disabled: false }));
    expect((await registry.rows(columns, ['c1']))[0]).toMatchObject({
      a_given_name: null,
      a_postal_code: null,
      registered: null,
      a_is_disabled: false,
    });
    await registry.events();
  });

  it('is deleted with its identifiers, and a later one is another record', async () => {
    const [created] = await registry.put(person('d1'));
    expect(await deleteRecord(registry.database.db, registry.profile, uin('d1'))).toMatchObject({ status: 'changed' });
    expect(await registry.show(uin('d1'))).toBeUndefined();
    expect(await deleteRecord(registry.database.db, registry.profile, uin('d1'))).toMatchObject({ status: 'not-found' });
    const [again] = await registry.put(person('d1'));
    expect(again).toMatchObject({ status: 'created', version: 1 });
    expect(again).not.toMatchObject({ id: created?.status === 'created' ? created.id : '' });
    expect(await registry.events()).toEqual(['REGISTER person v1', 'DELETE person v2', 'REGISTER person v1']);
  });
});

describe('identifiers', () => {
  const birth = (value: string) => ({ identifier_type: 'birth_registration_number', identifier_value: value });
  const national = (value: string) => ({ identifier_type: 'urn:gov:national-id', identifier_value: value });
  const withIdentifiers = (...identifier: unknown[]) => person('', {}, { identifier });

  it('match a record by any that is unique and current', async () => {
    await registry.put(withIdentifiers(national('e1'), birth('e1b')));
    expect(await registry.put(withIdentifiers(birth('e1b'), national('e1')))).toMatchObject([{ status: 'updated', version: 2 }]);
    expect(await registry.put(withIdentifiers(birth('e1b')))).toMatchObject([{ status: 'updated', version: 3 }]);
  });

  it('are retired when a document drops them, match no more, and can come back', async () => {
    expect(await registry.show(uin('e1'))).toBeUndefined();
    expect(await registry.put(withIdentifiers(national('e1')))).toMatchObject([{ status: 'created' }]);
    const kept = await registry.rows(
      `select value, valid_to is null as current from identifier where value in ('e1', 'e1b') order by value, valid_from`,
    );
    expect(kept).toEqual([
      { value: 'e1', current: false },
      { value: 'e1', current: true },
      { value: 'e1b', current: true },
    ]);
    await registry.put(withIdentifiers(birth('f1')), withIdentifiers(birth('f1'), national('f1')), withIdentifiers(birth('f1')));
    expect(await registry.put(withIdentifiers(birth('f1'), national('f1')))).toMatchObject([{ status: 'updated', version: 4 }]);
    expect(await registry.show(uin('f1'))).toMatchObject({ version: 4 });
  });

  it('of two records in one document are refused, and nothing is written', async () => {
    await registry.put(withIdentifiers(national('g1')), withIdentifiers(birth('g2')));
    await registry.events();
    const results = await registry.put(withIdentifiers(national('g1'), birth('g2')), person('g3'));
    expect(results).toMatchObject([
      { status: 'refused', problems: [{ pointer: '', text: 'its identifiers belong to 2 different records' }] },
      { status: 'created' },
    ]);
    expect(await registry.events()).toEqual(['REGISTER person v1']);
  });

  it('that are not unique are shared and match nobody', async () => {
    const marriage = { identifier_type: 'MRN', identifier_value: 'm1' };
    expect(statuses(await registry.put(withIdentifiers(national('h1'), marriage), withIdentifiers(national('h2'), marriage)))).toEqual([
      'created',
      'created',
    ]);
    expect(await registry.put(withIdentifiers(marriage))).toMatchObject([{ status: 'refused' }]);
  });

  it('are found in every place a document keeps them, and are one when they are the same', async () => {
    await registry.put(person('i1', { member_identifier: [{ identifier_type: 'NID', identifier_value: 'i1' }, birth('i1b')] }));
    expect(await registry.rows(`select type, value from identifier where value in ('i1', 'i1b') order by type`)).toEqual([
      { type: 'BRN', value: 'i1b' },
      { type: 'UIN', value: 'i1' },
    ]);
  });

  it('of persons and groups may have the same value', async () => {
    const group = { '@type': 'Group', group_identifier: [national('j1')], member_list: [withIdentifiers(national('j1'))] };
    expect(await registry.put(group)).toMatchObject([{ status: 'created', counts: { created: 2 } }]);
    expect(await registry.put(group)).toMatchObject([{ status: 'unchanged', counts: { unchanged: 2 } }]);
  });
});

describe('two writers of the same new record', () => {
  it('make one record of it', async () => {
    const writers = Array.from({ length: 8 }, (_, writer) =>
      registry.put(...['k3', 'k1', 'k2'].map((key) => person(key, { income_level: String((writer % 5) + 1) }))),
    );
    const results = (await Promise.all(writers)).flat();
    expect(results.filter((result) => result.status === 'created')).toHaveLength(3);
    expect(results.filter((result) => result.status === 'refused')).toEqual([]);
    const current = await registry.rows(
      `select value, count(*)::int from identifier where value like 'k_' and valid_to is null group by 1 order by 1`,
    );
    expect(current).toEqual(['k1', 'k2', 'k3'].map((value) => ({ value, count: 1 })));
  });

  it('number their versions without gaps', async () => {
    const versions = await registry.rows(
      `select array_agg(e.version order by e.seq) as versions from change_event e join identifier i using (record_id) where i.value = 'k1'`,
    );
    const [found] = versions.map((row) => row['versions'] as number[]);
    expect(found).toEqual(found?.map((_, index) => index + 1));
  });
});
