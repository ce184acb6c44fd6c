import { socialProfile } from '../../src/profiles/social.ts';
import { putRecords } from '../../src/registry/write.ts';
import type { Database } from '../../src/store/database.ts';

/** A person as tests name one. */
export interface Person {
  readonly uin: string;
  readonly given: string;
}

/** Writes `count` persons of known, differing properties, `householdSize` to a household; the first of each is its head. */
export async function importPersons(database: Database, count: number, householdSize = 4): Promise<Person[]> {
  const persons = Array.from({ length: count }, (_, index) => ({ uin: `9${String(index).padStart(9, '0')}`, given: `Given${index}` }));
  const members = persons.map(({ uin, given }, index) => memberDocument(uin, given, index));
  const households = Array.from({ length: Math.ceil(count / householdSize) }, (_, index) =>
    householdDocument(index, members.slice(index * householdSize, (index + 1) * householdSize)),
  );
  const results = await putRecords(database.db, socialProfile, households);
  const refused = results.find((result) => result.status === 'refused');
  if (refused !== undefined) throw new Error(`a household of the test was refused: ${JSON.stringify(refused)}`);
  return persons;
}

export function memberDocument(uin: string, given: string, index: number): Record<string, unknown> {
  const identifiers = [{ identifier_type: 'UIN', identifier_value: uin }];
  return {
    '@type': 'Member',
    member_identifier: identifiers,
    demographic_info: {
      '@type': 'SRPerson',
      identifier: identifiers,
      name: { given_name: given, surname: 'Testé' },
      sex: index % 2 === 0 ? 'female' : 'male',
      birth_date: `${1940 + (index % 80)}-03-15T00:00:00Z`,
      address: [{ locality: 'Anytown', sub_region_code: 'D-01', region_code: 'R-1', postal_code: '12345', country_code: 'XX' }],
      phone_number: ['+15550100'],
      registration_date: '2022-01-10T08:00:00Z',
    },
    marital_status: index % 6 === 0 ? 'W' : 'M',
    is_disabled: index % 10 === 0,
    registration_date: '2022-01-10T08:00:00Z',
  };
}

function householdDocument(index: number, members: readonly Record<string, unknown>[]): Record<string, unknown> {
  return {
    '@type': 'Group',
    group_identifier: [{ identifier_type: 'HHID', identifier_value: `H${String(index).padStart(6, '0')}` }],
    group_type: '2',
    poverty_score: index % 10,
    group_head_info: members[0],
    member_list: members,
    registration_date: '2022-01-10T08:00:00Z',
  };
}
