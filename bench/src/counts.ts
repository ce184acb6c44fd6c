import { setTimeout as sleep } from 'node:timers/promises';
import { createDciClient, type DciClient } from '@dci/client';
import { importPrivateKey, type StatisticsCriteria } from '@dci/protocol';
import { type Closing, withClosing } from './closing.ts';
import { startServer } from './dci.ts';
import type { Machine } from './machine.ts';
import { registerPartner } from './partner.ts';
import { BASE_PATH, openPopulace, REGISTRY } from './populace.ts';
import { median } from './statistics.ts';
import { waitForFollowers } from './wait-for-followers.ts';

/** Statistics: the signed endpoint against a plain `GROUP BY` of the same dimensions, one after the other in each round. */

export interface CountsBenchOptions {
  readonly persons: number;
  readonly seed: number;
  readonly rounds: number;
}

export interface CountsBench {
  readonly options: CountsBenchOptions;
  readonly machine: Machine;
  /** Until the counts of all persons were kept for the first time, seconds; undefined where they were kept already. */
  readonly fillSeconds: number | undefined;
  readonly rows: readonly CountsRow[];
}

export interface CountsRow {
  readonly name: string;
  /** Milliseconds of each request and of each statement. */
  readonly server: readonly number[];
  readonly plain: readonly number[];
  /** Median of the rounds: the plain statement's time by the server's. */
  readonly ratio: number;
}

const A_ROUND = 10;

const PLAIN_AGES =
  'width_bucket(extract(year from age(current_date, a_birth_date)), array[5,10,15,18,20,25,30,35,40,45,50,55,60,65,70,75,80,85]::numeric[])';

const QUESTIONS = [
  {
    name: 'kept: district, sex, age band',
    dimensions: ['district', 'sex', 'age_band'],
    by: ['a_region', 'a_district', 'a_sex', PLAIN_AGES],
  },
  {
    name: 'records: marital status, education',
    dimensions: ['marital_status', 'education_level'],
    by: ['a_marital_status', 'a_education_level'],
  },
] as const;

export async function benchCounts(options: CountsBenchOptions, say: (text: string) => void): Promise<CountsBench> {
  return await withClosing((closing) => runCountsBench(options, closing, say));
}

async function runCountsBench(options: CountsBenchOptions, closing: Closing, say: (text: string) => void): Promise<CountsBench> {
  const { persons, seed, rounds } = options;
  const { environment, key, opened, machine } = await openPopulace({ persons, seed, signature: 'es256' }, closing, say);
  const { pool } = opened.database;
  const partner = await registerPartner(environment, REGISTRY, key, 'required', ['--scopes', 'registry/statistics']);
  const server = closing(await startServer(environment), ({ stop }) => stop());
  const client = createDciClient({
    baseUrl: `http://127.0.0.1:${server.port}${BASE_PATH}`,
    senderId: partner.senderId,
    credentials: { token: partner.token },
    signingKey: importPrivateKey(key.privatePem, { kid: 'bench' }),
  });
  const begun = performance.now();
  say('waiting until all persons are counted');
  const waited = await waitUntilKept(() => pool.query<{ kept: boolean }>(KEPT, [REGISTRY]));
  const fillSeconds = waited ? (performance.now() - begun) / 1000 : undefined;
  await waitForFollowers(pool, say);
  const rows: CountsRow[] = [];
  for (const question of QUESTIONS) {
    const plain = `select ${question.by.join(', ')}, count(*) from record_${REGISTRY}_person group by ${question.by.map((_, index) => index + 1).join(', ')}`;
    rows.push(
      await compare(
        question.name,
        { rounds, say },
        () => ask(client, question.dimensions),
        () => pool.query(plain),
      ),
    );
  }
  return { options, machine, fillSeconds, rows };
}

const KEPT = `select exists (select 1 from counted_type where registry = $1 and record_type = 'person' and kept_at > now() - interval '5 minutes') as kept`;

async function waitUntilKept(look: () => Promise<{ rows: { kept: boolean }[] }>): Promise<boolean> {
  for (let waited = false; ; waited = true) {
    if ((await look()).rows[0]?.kept === true) return waited;
    await sleep(200);
  }
}

async function ask(client: DciClient, dimensions: readonly string[]): Promise<void> {
  const criteria: StatisticsCriteria = {
    reg_record_type: 'SRPerson',
    dimensions: [...dimensions],
    query_type: 'idtype-value',
    query: { type: '*', value: '*' },
  };
  const { items } = await client.statistics(criteria, { registry: REGISTRY });
  if ((items[0]?.statistics?.rows.length ?? 0) === 0) throw new Error('nothing was told');
}

async function compare(
  name: string,
  { rounds, say }: { readonly rounds: number; readonly say: (text: string) => void },
  askServer: () => Promise<unknown>,
  askPlainly: () => Promise<unknown>,
): Promise<CountsRow> {
  await time(askServer);
  await time(askPlainly);
  const [server, plain, ratios]: [number[], number[], number[]] = [[], [], []];
  for (let round = 1; round <= rounds; round += 1) {
    const [ours, others] = [await time(askServer), await time(askPlainly)];
    server.push(...ours);
    plain.push(...others);
    ratios.push(median(others) / median(ours));
    say(`${name}: round ${round} of ${rounds}, server ${median(ours).toFixed(1)} ms, plain ${median(others).toFixed(1)} ms`);
  }
  return { name, server, plain, ratio: median(ratios) };
}

/** Milliseconds each. */
async function time(work: () => Promise<unknown>): Promise<number[]> {
  const taken: number[] = [];
  for (let index = 0; index < A_ROUND; index += 1) {
    const begun = performance.now();
    await work();
    taken.push(performance.now() - begun);
  }
  return taken;
}
