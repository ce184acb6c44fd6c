import { socialProfile } from '../../src/profiles/social.ts';
import type { Profile } from '../../src/profiles/profile.ts';
import type { RecordReference } from '../../src/registry/change-records.ts';
import { findRecord, type StoredRecord } from '../../src/registry/find-record.ts';
import { reconcileProfile } from '../../src/registry/reconcile.ts';
import type { PutResult } from '../../src/registry/put-records.ts';
import { putRecords } from '../../src/registry/write.ts';
import type { Database } from '../../src/store/database.ts';
import { createTestDatabase } from '../support/database.ts';

/** An empty registry on a database of its own, with the eyes that tests need. */
export interface RegistryFixture {
  readonly database: Database;
  readonly profile: Profile;
  put(...documents: readonly unknown[]): Promise<PutResult[]>;
  show(reference: RecordReference): Promise<StoredRecord | undefined>;
  /** Change events since the last call, as `KIND type version changed`, in order. */
  events(): Promise<string[]>;
  /** Everything the registry holds, without ids and times: equal for equal contents. */
  contents(): Promise<unknown>;
  rows(sql: string, parameters?: unknown[]): Promise<Record<string, unknown>[]>;
  close(): Promise<void>;
}

export async function openRegistry(profile: Profile = socialProfile): Promise<RegistryFixture> {
  const { database, drop } = await createTestDatabase();
  await reconcileProfile(database, profile);
  const rows: RegistryFixture['rows'] = async (sql, parameters = []) =>
    (await database.pool.query<Record<string, unknown>>(sql, parameters)).rows;
  let seen = '0';
  return {
    database,
    profile,
    rows,
    put: (...documents) => putRecords(database.db, profile, documents),
    show: (wanted) => findRecord(database.db, profile, wanted),
    async events() {
      const { rows: found } = await database.pool.query<{ seq: string; text: string }>(
        `select seq, concat_ws(' ', kind, record_type, 'v' || version, nullif(array_to_string(changed, ' '), '')) as text
         from change_event where seq > $1 order by seq`,
        [seen],
      );
      seen = found.at(-1)?.seq ?? seen;
      return found.map((event) => event.text);
    },
    contents: () => readContents(profile, rows),
    close: drop,
  };
}

async function readContents(profile: Profile, rows: RegistryFixture['rows']): Promise<unknown> {
  const bodies = await Promise.all(
    profile.recordTypes.map(({ name }) => rows(`select version, body from record_${profile.registry}_${name} order by body`)),
  );
  const identifiers = await rows(
    `select i.record_type, i.type, i.value, i.is_unique, i.valid_to is null as current from identifier i order by 1, 2, 3, 5`,
  );
  const members = await rows(
    `select g.value as group_value, m.value as member_value, s.is_head, s.position from membership s
     join identifier g on g.record_id = s.group_id and g.is_unique join identifier m on m.record_id = s.member_id and m.is_unique
     order by 1, 4, 2`,
  );
  return { bodies, identifiers, members };
}

export function uin(value: string): RecordReference {
  return { recordType: 'person', type: 'UIN', value };
}

export function household(value: string): RecordReference {
  return { recordType: 'group', type: 'HHID', value };
}

export function person(
  value: string,
  fields: Record<string, unknown> = {},
  demographic: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    '@type': 'Member',
    demographic_info: {
      identifier: [{ identifier_type: 'UIN', identifier_value: value }],
      sex: 'female',
      birth_date: '1990-02-03',
      ...demographic,
    },
    ...fields,
  };
}

export function reference(value: string): Record<string, unknown> {
  return { member_identifier: [{ identifier_type: 'UIN', identifier_value: value }] };
}

export function group(value: string, fields: Record<string, unknown> = {}): Record<string, unknown> {
  return { '@type': 'Group', group_identifier: [{ identifier_type: 'HHID', identifier_value: value }], ...fields };
}
