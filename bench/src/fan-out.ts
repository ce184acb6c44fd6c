import { mkdirSync, rmSync } from 'node:fs';
import { BUILT_IN_PROFILES, fanOut, openConfiguredDatabase, type OpenedDatabase, putRecords, reconcileProfile } from '@dci/server';
import { describeMachine, type Machine } from './machine.ts';
import { findDataFolder } from './prepare.ts';
import { median } from './statistics.ts';

/**
 * What an event costs to be carried on to subscriptions, with more and more of them in the way. Each event is matched by
 * the same number of subscriptions, whatever their number: the others are about other persons, or other places and ages.
 */
export interface FanOutBenchOptions {
  /** Ascending. */
  readonly subscriptions: readonly number[];
  readonly events: number;
  readonly rounds: number;
}

export interface FanOutBench {
  readonly options: FanOutBenchOptions;
  readonly machine: Machine;
  readonly sizes: readonly FanOutSize[];
  /** Cost of an event at the last size by that at the first. */
  readonly ratio: number;
}

export interface FanOutSize {
  readonly subscriptions: number;
  /** Of an event, microseconds: of each round, and their median. */
  readonly costs: readonly number[];
  readonly cost: number;
  /** Notifications written down for an event. */
  readonly matches: number;
}

const PERSONS = 200;
/** Subscriptions that match each event. */
const MATCHING = 10;

type Pool = OpenedDatabase['database']['pool'];

export async function benchFanOut(options: FanOutBenchOptions, say: (text: string) => void): Promise<FanOutBench> {
  const folder = findDataFolder('fan-out');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const opened = await openConfiguredDatabase({ databaseUrl: undefined, dataDir: folder }, { info: () => undefined, warn: say });
  try {
    const { pool } = opened.database;
    const [profile] = BUILT_IN_PROFILES;
    if (profile === undefined) throw new Error('there is no registry to measure');
    await reconcileProfile(opened.database, profile);
    await empty(pool);
    await write(opened, 0);
    await carryOn(opened);
    const sizes: FanOutSize[] = [];
    for (const size of options.subscriptions) {
      say(`${size} subscriptions`);
      await subscribe(pool, size);
      sizes.push(await measure(opened, size, options));
    }
    const [first, last] = [sizes[0], sizes.at(-1)];
    return { options, machine: await describeMachine(opened), sizes, ratio: (last?.cost ?? Number.NaN) / (first?.cost ?? Number.NaN) };
  } finally {
    await opened.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(opened: OpenedDatabase, subscriptions: number, { events, rounds }: FanOutBenchOptions): Promise<FanOutSize> {
  const costs: number[] = [];
  let matches = 0;
  // The first round warms up.
  for (let round = 0; round <= rounds; round += 1) {
    const count = Math.ceil(events / PERSONS);
    for (let time = 0; time < count; time += 1) await write(opened, Date.now() + time);
    const begun = performance.now();
    const { read, due } = await carryOn(opened);
    if (round > 0) costs.push(((performance.now() - begun) * 1_000) / read);
    if (read < count * PERSONS) throw new Error(`${read} events were read of ${count * PERSONS}`);
    const { rowCount } = await opened.database.pool.query('delete from pending_event');
    matches = (rowCount ?? 0) / read;
    if (due === 0) throw new Error('nothing was matched');
  }
  return { subscriptions, costs, cost: median(costs), matches };
}

async function carryOn(opened: OpenedDatabase): Promise<{ read: number; due: number }> {
  const parts = { db: opened.database.db, profiles: BUILT_IN_PROFILES, now: Date.now, enqueue: async () => undefined };
  let [read, due, empties] = [0, 0, 0];
  while (empties < 2) {
    const turn = await fanOut(parts);
    read += turn.read;
    due += turn.due;
    empties = turn.read === 0 ? empties + 1 : 0;
  }
  return { read, due };
}

/** Changes every person once. */
async function write(opened: OpenedDatabase, version: number): Promise<void> {
  const [profile] = BUILT_IN_PROFILES;
  if (profile === undefined) return;
  const documents = Array.from({ length: PERSONS }, (_, index) => ({
    '@type': 'Member',
    demographic_info: {
      identifier: [{ identifier_type: 'UIN', identifier_value: `p${index}` }],
      sex: index % 2 === 0 ? 'female' : 'male',
      birth_date: `${1950 + (index % 50)}-01-01`,
      address: [{ sub_region_code: `D-${index % 20}` }],
      email: [`${version}@example.org`],
    },
  }));
  const results = await putRecords(opened.database.db, profile, documents);
  if (results.some(({ status }) => status === 'refused')) throw new Error('a person of the bench was refused');
}

async function empty(pool: Pool): Promise<void> {
  await pool.query('truncate pending_event, subscription, subscription_filter_key, subscription_filter, partner cascade');
  await pool.query(
    `insert into partner (id, sender_id, name, registries, scopes, signature_policy)
     values ('00000000-0000-0000-0000-000000000001', 'bench', 'bench', '{social}', '{}', 'required')`,
  );
  for (let copy = 0; copy < MATCHING; copy += 1) await insert(pool, MATCH, copy, copy);
}

/** By place, `MATCHING` times: each person is in one of them. */
const MATCH = `
select json_build_array('compare', 'person', 'district', 'in', (select json_agg('D-' || d) from generate_series(0, 19) as d)) as filter,
  'attribute district' as field, array(select 'D-' || d from generate_series(0, 19) as d) as keys, true as exact, n
from generate_series($1::integer, $2::integer) as n`;

/** Half of them by another person; half by a place and an age. */
const OTHER = `
select case when n % 2 = 0
    then json_build_array('identifier', 'person', 'UIN', 'eq', json_build_array('other' || n))
    else json_build_array('and', json_build_array(json_build_array('compare', 'person', 'district', 'eq', 'E-' || n),
      json_build_array('compare', 'person', 'birth_date', 'gt', '1960-01-01'))) end as filter,
  case when n % 2 = 0 then 'identifier UIN' else 'attribute district' end as field,
  array[case when n % 2 = 0 then 'other' || n else 'E-' || n end] as keys, n % 2 = 0 as exact, n
from generate_series($1::integer, $2::integer) as n`;

async function subscribe(pool: Pool, total: number): Promise<void> {
  const { rows } = await pool.query<{ count: number }>('select count(*)::integer as count from subscription');
  const present = rows[0]?.count ?? 0;
  if (total > present) await insert(pool, OTHER, present, total - 1);
  await pool.query('vacuum analyze subscription, subscription_filter, subscription_filter_key, change_event, pending_event');
}

async function insert(pool: Pool, filters: string, from: number, to: number): Promise<void> {
  await pool.query(
    `with wanted as (${filters}), filter as (
      insert into subscription_filter (registry, record_type, hash, filter, is_exact)
      select 'social', 'person', sha256((filter::text || n)::bytea), filter, exact from wanted
      returning id, hash
    ), keyed as (
      select filter.id, wanted.field, wanted.keys, wanted.n from wanted join filter on filter.hash = sha256((wanted.filter::text || wanted.n)::bytea)
    ), key as (
      insert into subscription_filter_key (registry, record_type, field, value, filter_id)
      select 'social', 'person', field, unnest(keys), id from keyed
    )
    insert into subscription (id, code, partner_id, registry, entity, event_type, filter_id, criteria, reply_terms, starts_at, state)
    select gen_random_uuid(), 'bench-' || n, '00000000-0000-0000-0000-000000000001', 'social', 'Member', 'UPDATE', id, '{}', '{}', now(), 'active'
    from keyed`,
    [from, to],
  );
}
