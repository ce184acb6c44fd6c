import type { Pool } from 'pg';

/**
 * Persons in households of four, written by the database itself: as many as plans need to look as they do in a country.
 * Ids ascend as they do in a registry; every value is made from the person's number. A body is as long as a real one.
 */
export async function fillLargeRegistry(pool: Pool, persons: number): Promise<void> {
  for (const statement of STATEMENTS) await pool.query(statement.replaceAll('$persons', String(persons)));
}

/** An id from a number: ascending, as UUIDv7 is. */
const id = (prefix: string, number: string): string => `('${prefix}' || lpad(to_hex(${number}), 12, '0'))::uuid`;
const PERSON_ID = '01900000-0000-7000-8000-';
const GROUP_ID = '01900000-0000-7000-9000-';

const STATEMENTS = [
  `insert into record_social_person
     (id, version, body, created_at, updated_at, a_given_name, a_surname, a_second_name, a_sex, a_birth_date, a_district, a_marital_status, a_registration_date)
   select ${id(PERSON_ID, 'n')}, 1,
     '{"@type":"Member","demographic_info":' || E'\\x01' || '{"@type":"SRPerson","name":{"second_name":"P' || n || '"},"pad":"' || repeat('x', 900) || '"}' || E'\\x01' || '}',
     now(), now(), 'Given' || n % 997, 'Sur' || n % 4999, 'P' || n, (array['male', 'female', 'other'])[1 + n % 31 % 3],
     date '1940-01-01' + (n * 7919 % 30000), 'D' || n % 211, (array['S', 'M', 'W', 'D', null])[1 + n % 17 % 5], timestamptz '2024-01-01Z' + n * interval '1 minute'
   from generate_series(1, $persons) n`,
  `insert into record_social_group (id, version, body, created_at, updated_at, a_poverty_score, a_group_size, a_district)
   select ${id(GROUP_ID, 'n')}, 1, '{"@type":"Group"' || E'\\x01\\x01' || ',"poverty_score_type":"G' || n || '"}', now(), now(), n * 131 % 10007 / 100.0, 4, 'D' || n % 211
   from generate_series(1, $persons / 4) n`,
  `insert into membership (group_id, member_id, registry, is_head, position)
   select ${id(GROUP_ID, '(n + 3) / 4')}, ${id(PERSON_ID, 'n')}, 'social', n % 4 = 1, n % 4 from generate_series(1, $persons) n`,
  `insert into identifier (registry, type, value, record_type, record_id, is_unique)
   select 'social', 'UIN', 'U' || n, 'person', ${id(PERSON_ID, 'n')}, true from generate_series(1, $persons) n`,
  `insert into identifier (registry, type, value, record_type, record_id, is_unique)
   select 'social', 'HHID', 'H' || n, 'group', ${id(GROUP_ID, 'n')}, true from generate_series(1, $persons / 4) n`,
  'vacuum analyze',
];
