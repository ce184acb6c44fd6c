import { expect, it } from 'vitest';
import { tabulateRecords } from './tabulate-records.ts';

const PERSON = {
  '@type': 'SRPerson',
  identifier: [{ identifier_type: 'UIN', identifier_value: '847951632' }],
  name: { given_name: 'Sudarat', surname: 'Phumchai', prefix: 'Dr.' },
  sex: 'female',
  birth_date: '1995-09-21T00:00:00Z',
  address: [{ locality: 'Thani', region_code: 'A205', country_code: 'TH' }],
};
const ROW = ['UIN=847951632', 'Dr. Sudarat Phumchai', 'female', '1995-09-21', 'Thani, A205, TH'];

it('shows persons, bare or wrapped as members', () => {
  const member = { '@type': 'Member', demographic_info: PERSON, marital_status: '1' };
  const wrappedTwice = { '@type': 'Member', demographic_info: { person: PERSON } };
  expect(tabulateRecords([PERSON, member, wrappedTwice])).toEqual([
    { headings: ['identifier', 'name', 'sex', 'birth date', 'place'], rows: [ROW, ROW, ROW] },
  ]);
});

it('shows groups with their head, apart from persons', () => {
  const group = {
    '@type': 'Group',
    group_identifier: [
      { identifier_type: 'HHID', identifier_value: 'H1' },
      { identifier_type: 'UIN', identifier_value: '2' },
    ],
    group_size: 4,
    poverty_score: 0.5,
    group_head_info: { demographic_info: PERSON },
    address: { locality: 'Thani' },
  };
  expect(tabulateRecords([PERSON, group]).map((table) => table.rows)).toEqual([
    [['HHID=H1, UIN=2', '4', '0.5', 'Dr. Sudarat Phumchai', 'Thani']],
    [ROW],
  ]);
});

it('shows what it does not know as JSON', () => {
  expect(tabulateRecords([{ farm: 1 }])).toEqual([{ headings: ['record'], rows: [['{"farm":1}']] }]);
});

it('lets no control character through to the terminal', () => {
  const rows = tabulateRecords([{ name: { surname: '\u001b[2Jx\u009b' } }]).flatMap((table) => table.rows);
  expect(rows[0]?.[1]).toBe(' [2Jx ');
});

it('leaves empty what a record lacks, or has in another form', () => {
  expect(tabulateRecords([{ name: 'Sudarat', sex: null, address: [] }])).toEqual([
    { headings: ['identifier', 'name', 'sex', 'birth date', 'place'], rows: [['', '', '', '', '']] },
  ]);
});
