import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { getRecordType } from '../../src/profiles/index.ts';
import type { Attribute, Profile } from '../../src/profiles/profile.ts';
import { isProfileApplied, ProfileRefused, reconcileProfile } from '../../src/registry/reconcile.ts';
import { putRecords } from '../../src/registry/write.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { schoolProfile } from '../support/school-profile.ts';

let test: TestDatabase;

beforeEach(async () => {
  test = await createTestDatabase();
});

afterEach(() => test.drop());

function withPupilAttributes(change: (attributes: readonly Attribute[]) => readonly Attribute[]): Profile {
  const recordTypes = schoolProfile.recordTypes.map((type) =>
    type.name === 'pupil' ? { ...type, attributes: change(type.attributes) } : type,
  );
  return { ...schoolProfile, recordTypes };
}

const favouriteSubject: Attribute = {
  name: 'subject',
  synonyms: [],
  path: 'favourite_subject',
  type: 'text',
  operators: ['eq'],
  indexed: true,
};
const grown = withPupilAttributes((attributes) => [...attributes, favouriteSubject]);

function pupil(number: number): unknown {
  return {
    '@type': 'Pupil',
    pupil_number: [{ identifier_type: 'PUPIL', identifier_value: String(number) }],
    grade: (number % 12) + 1,
    favourite_subject: `subject ${number % 3}`,
  };
}

async function query(sql: string): Promise<Record<string, unknown>[]> {
  return (await test.database.pool.query<Record<string, unknown>>(sql)).rows;
}

async function describeSchema(): Promise<unknown> {
  return {
    columns: await query(
      `select table_name, column_name, data_type, collation_name from information_schema.columns where table_name like 'record\\_school\\_%' order by 1, 2`,
    ),
    indexes: await query(
      `select indexrelid::regclass::text as name, indisvalid as valid, pg_get_indexdef(indexrelid) as definition from pg_index
       where indrelid::regclass::text like 'record\\_school\\_%' order by 1`,
    ),
  };
}

describe('a profile that is new', () => {
  it('gets its tables with columns and indexes, once, however many apply it at a time', async () => {
    const done = await Promise.all([1, 2, 3].map(() => reconcileProfile(test.database, schoolProfile)));
    expect(done.flat().toSorted()).toEqual(['made the table record_school_class', 'made the table record_school_pupil']);
    expect(await isProfileApplied(test.database, schoolProfile)).toBe(true);
    const { columns, indexes } = (await describeSchema()) as {
      columns: Record<string, unknown>[];
      indexes: { name: string; definition: string }[];
    };
    expect(columns).toContainEqual({
      table_name: 'record_school_pupil',
      column_name: 'a_full_name',
      data_type: 'text',
      collation_name: 'C',
    });
    expect(columns.map((column) => column['column_name'])).not.toContain('a_age');
    expect(indexes.find((index) => index.name === 'record_school_pupil_a_born')?.definition).toContain('(a_born, id)');
    expect(indexes.map((index) => index.name)).not.toContain('record_school_class_a_headcount');
    expect(await reconcileProfile(test.database, schoolProfile)).toEqual([]);
  });
});

describe('a profile that grew', () => {
  beforeEach(async () => {
    await reconcileProfile(test.database, schoolProfile);
    await putRecords(
      test.database.db,
      schoolProfile,
      Array.from({ length: 2_345 }, (_, index) => pupil(index)),
    );
  });

  const wrong = `select count(*)::int as count from record_school_pupil where a_subject is distinct from replace(body, '\u0001', '')::json ->> 'favourite_subject'`;

  it('gets a new column, filled from the stored documents and indexed', async () => {
    expect(await reconcileProfile(test.database, grown)).toEqual([
      'added a_subject to record_school_pupil',
      'filled a_subject of 2345 records in record_school_pupil',
      'indexed a_subject of record_school_pupil',
    ]);
    expect(await query(wrong)).toEqual([{ count: 0 }]);
    expect(await query(`select count(*)::int as count from record_school_pupil where a_subject = 'subject 1'`)).toEqual([{ count: 782 }]);
  });

  it('is finished by the next run when one was broken off, and ends in the same schema', async () => {
    await reconcileProfile(test.database, grown);
    const whole = await describeSchema();
    await query(`update record_school_pupil set a_subject = null where a_grade > 3`);
    await query(`comment on column record_school_pupil.a_subject is 'filling'`);
    await query(`update pg_index set indisvalid = false where indexrelid = 'record_school_pupil_a_subject'::regclass`);
    await query(`delete from profile_applied`);
    await reconcileProfile(test.database, grown);
    expect(await query(wrong)).toEqual([{ count: 0 }]);
    expect(await describeSchema()).toEqual(whole);
  });

  it('has its column filled anew when the attribute moves to another path', async () => {
    await reconcileProfile(test.database, grown);
    const moved = withPupilAttributes((attributes) => [...attributes, { ...favouriteSubject, path: 'full_name' }]);
    await reconcileProfile(test.database, moved);
    expect(await query(`select count(*)::int as count from record_school_pupil where a_subject is not null`)).toEqual([{ count: 0 }]);
  });

  it('does not lose what is written while it is filled', async () => {
    const filling = reconcileProfile(test.database, grown);
    const writing = putRecords(
      test.database.db,
      schoolProfile,
      Array.from({ length: 300 }, (_, index) => ({ ...(pupil(index * 7) as object), grade: 13 })),
    );
    await Promise.all([filling, writing]);
    await putRecords(test.database.db, grown, [{ ...(pupil(1) as object), favourite_subject: 'music' }]);
    expect(await query(`select a_subject from record_school_pupil where a_subject = 'music'`)).toEqual([{ a_subject: 'music' }]);
  });
});

describe('a profile that asks for too much', () => {
  const refused: [string, Profile, RegExp][] = [
    [
      'removes an attribute',
      withPupilAttributes((attributes) => attributes.filter(({ name }) => name !== 'grade')),
      /attribute grade is no longer declared/,
    ],
    [
      'retypes an attribute',
      withPupilAttributes((attributes) =>
        attributes.map((attribute) => (attribute.name === 'grade' ? { ...attribute, type: 'decimal' as const } : attribute)),
      ),
      /attribute grade would change from bigint to double precision/,
    ],
    [
      'does not hold together',
      withPupilAttributes((attributes) => [...attributes, { ...favouriteSubject, path: 'nowhere' }]),
      /the document has no nowhere/,
    ],
  ];

  it.each(refused)('is refused when it %s, with nothing changed', async (_, profile, reason) => {
    await reconcileProfile(test.database, schoolProfile);
    const before = await describeSchema();
    const alumnus = { ...getRecordType(schoolProfile, 'pupil'), name: 'alumnus', entities: [{ name: 'Alumnus', synonyms: [] }] };
    const alsoGrown = { ...profile, recordTypes: [...profile.recordTypes, alumnus] };
    const outcome = await reconcileProfile(test.database, alsoGrown).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(ProfileRefused);
    expect((outcome as ProfileRefused).message).toMatch(reason);
    expect(await describeSchema()).toEqual(before);
    expect(await query(`select to_regclass('record_school_alumnus') as found`)).toEqual([{ found: null }]);
  });

  it('is refused when an identifier type cannot become unique', async () => {
    const shared = {
      ...schoolProfile,
      identifierTypes: [...schoolProfile.identifierTypes, { code: 'LOCKER', synonyms: [], recordType: 'pupil', unique: false }],
    };
    await reconcileProfile(test.database, shared);
    const withLocker = (number: number) => ({
      ...(pupil(number) as object),
      pupil_number: [
        { identifier_type: 'PUPIL', identifier_value: String(number) },
        { identifier_type: 'LOCKER', identifier_value: '9' },
      ],
    });
    await putRecords(test.database.db, shared, [withLocker(1), withLocker(2)]);
    const unique = { ...shared, identifierTypes: shared.identifierTypes.map((type) => ({ ...type, unique: true })) };
    await expect(reconcileProfile(test.database, unique)).rejects.toThrow(/LOCKER cannot become unique/);
  });
});
