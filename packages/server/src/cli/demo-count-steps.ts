import type { PersonMatch, Statistics } from '@dci/protocol';
import { clientFor, describePerson, expect, REGISTRY, type Step } from './demo-step.ts';

/** What dashboards and programmes come for: numbers, and who is who. */

const MARITAL_STATUS = { S: 'never married', M: 'married', W: 'widowed', D: 'divorced', L: 'separated' };
const SEXES = ['female', 'male'];
const CHART_WIDTH = 40;

export async function statisticsStep(step: Step): Promise<void> {
  const { title, done, print, ministry } = step;
  title(`${ministry.senderId} draws a chart: persons by marital status and sex, of whom it may see none`);
  const { items } = await clientFor(step, ministry).statistics(
    {
      reg_record_type: 'SRPerson',
      dimensions: ['marital_status', 'sex'],
      query_type: 'idtype-value',
      query: { type: '*', value: '*' },
    },
    REGISTRY,
  );
  const statistics = items[0]?.statistics;
  expect(statistics !== undefined && statistics.rows.length > 0 && 'count' in statistics.total, 'numbers are told');
  const hidden = drawChart(statistics, print);
  expect(hidden.length > 0, 'small groups are not told');
  print(`     not told: ${hidden.join(', ')}`);
  const told = statistics.rows.reduce((sum, { count }) => sum + count, 0);
  done(
    `${told} of ${statistics.total.count} persons stand in bars; no group of fewer than ${statistics.threshold} is told, nor others that would give it back`,
  );
}

/** Returns the groups without a bar. */
function drawChart({ rows }: Statistics, print: (line: string) => void): string[] {
  const longest = Math.max(...rows.map(({ count }) => count));
  const hidden: string[] = [];
  for (const [code, status] of Object.entries(MARITAL_STATUS))
    for (const sex of SEXES) {
      const row = rows.find(({ values }) => values['marital_status'] === code && values['sex'] === sex);
      if (row === undefined) hidden.push(`${status} ${sex}`);
      else {
        const bar = '█'.repeat(Math.max(1, Math.round((row.count / longest) * CHART_WIDTH)));
        print(`     ${status.padEnd(13)} ${sex.padEnd(6)} ${bar} ${row.count} ±${row.accuracy}`);
      }
    }
  return hidden;
}

export async function matchStep(step: Step): Promise<void> {
  const { client, title, done, print, twice } = step;
  title('It has somebody on a list of its own, without an identifier: who in the registry may that be?');
  const { name, birth_date: birthDate, sex } = twice.person;
  print(`     asked for: ${describePerson(twice.person)}`);
  const { items } = await client.match({ person: { name, birth_date: birthDate, sex }, least_probability: 0.8 }, REGISTRY);
  const matches = items[0]?.data?.matches ?? [];
  for (const match of matches) printMatch(match, print);
  const found = JSON.stringify(matches.map(({ record }) => record['identifier']));
  expect(
    twice.uins.every((uin) => found.includes(uin)),
    'both records of the person are found',
  );
  done(`${matches.length} records: the person was registered twice (the operator lists such pairs by dci duplicates)`);
}

function printMatch({ probability, evidence, record }: PersonMatch, print: (line: string) => void): void {
  const identifiers = (record['identifier'] ?? []) as readonly { identifier_type: string; identifier_value: string }[];
  const uin = identifiers.find(({ identifier_type: type }) => type === 'UIN')?.identifier_value;
  print(`     ${probability.toFixed(4)}  UIN ${uin}: ${describePerson(record)}`);
  const told = evidence.map(({ field, agreement, weight }) => `${field.replace('_', ' ')} ${agreement} ${weight >= 0 ? '+' : ''}${weight}`);
  print(`             ${told.join(', ')}`);
}
