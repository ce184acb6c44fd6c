import { describe, expect, it } from 'vitest';
import { getRecordType } from '../profiles/index.ts';
import { socialProfile } from '../profiles/social.ts';
import type { ImportRow } from './import-rows.ts';
import { type ColumnMapping, readCsv } from './read-csv.ts';

async function* pieces(chunks: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

async function read(chunks: readonly (string | Buffer)[], mapping?: ColumnMapping): Promise<ImportRow[]> {
  const rows: ImportRow[] = [];
  const person = getRecordType(socialProfile, 'person');
  for await (const piece of readCsv(pieces(chunks), socialProfile, person, mapping)) rows.push(...piece);
  return rows.toSorted((a, b) => a.line - b.line);
}

describe('CSV', () => {
  it('fills a document by identifier types, attribute names and paths in its headings', async () => {
    const phones = 'demographic_info.phone_number.1,demographic_info.phone_number.0';
    const heading = `NID,given_name,sex,${phones},demographic_info.address.1.locality,district,marital_status`;
    expect(await read([`\uFEFF${heading}\r\n1,"Smith, ""Al""",F,+2,+1,Elsewhere,D-1,W\r\n`])).toEqual([
      {
        line: 2,
        value: {
          demographic_info: {
            identifier: [{ identifier_type: 'UIN', identifier_value: '1' }],
            name: { given_name: 'Smith, "Al"' },
            sex: 'F',
            phone_number: ['+1', '+2'],
            address: [{ sub_region_code: 'D-1' }, { locality: 'Elsewhere' }],
          },
          marital_status: 'W',
        },
      },
    ]);
  });

  it('follows a mapping, and leaves out what it does not name', async () => {
    expect(await read(['Citizen No,Born,Shoe\n7,1990-02-03,44\n'], { 'Citizen No': 'UIN', Born: 'dob' })).toEqual([
      {
        line: 2,
        value: { demographic_info: { identifier: [{ identifier_type: 'UIN', identifier_value: '7' }], birth_date: '1990-02-03' } },
      },
    ]);
  });

  it('has faults that stay in their lines', async () => {
    const rows = await read(['UIN,sex\n1,F\n2\n3,M,x\n', Buffer.from([0x34, 0x2c, 0xff, 0x0a]), '5,"a"b\n\n6,M\n7,"F\n8,M\n9,"F"\n10,"\n']);
    expect(JSON.parse(JSON.stringify(rows))).toMatchObject([
      { line: 2, value: {} },
      { line: 3, fault: 'has 1 columns, not 2' },
      { line: 4, fault: 'has 3 columns, not 2' },
      { line: 5, fault: 'is no UTF-8' },
      { line: 6, fault: 'is no CSV' },
      { line: 8, value: { demographic_info: { sex: 'M' } } },
      { line: 9, fault: 'is no CSV' },
      { line: 10, value: { demographic_info: { sex: 'M' } } },
      { line: 11, value: { demographic_info: { sex: 'F' } } },
      { line: 12, fault: 'is no CSV' },
    ]);
  });

  it('has quoted fields that go over lines, also over pieces of the input', async () => {
    const rows = await read(['UIN,demographic_info.address.address_line_1\n1,"a ""b""\n', 'c"\n2,d\n']);
    expect(rows).toMatchObject([{ line: 2 }, { line: 4 }]);
    expect(JSON.stringify(rows[0])).toContain('{"address_line_1":"a \\"b\\"\\nc"}');
  });

  it('keeps headings that are names of the language apart', async () => {
    const [row] = await read(['UIN,__proto__.polluted,constructor\n1,yes,no\n']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.keys((row as { value: object }).value)).toEqual(['demographic_info', '__proto__', 'constructor']);
  });
});
