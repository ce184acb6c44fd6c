import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ImportRow } from './import-rows.ts';
import { MAX_LINE_BYTES } from './read-lines.ts';
import { readNdjson } from './read-ndjson.ts';

async function read(...chunks: readonly (string | Buffer)[]): Promise<ImportRow[]> {
  const rows: ImportRow[] = [];
  for await (const piece of readNdjson(pieces(chunks))) rows.push(...piece);
  return rows;
}

async function* pieces(chunks: readonly (string | Buffer)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

describe('newline-delimited JSON', () => {
  it('is read line by line, past byte order mark, CRLF and empty lines', async () => {
    expect(await read('\uFEFF{"a":1}\r\n\r\n  \n{"b":2}')).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 4, value: { b: 2 } },
    ]);
    expect(await read()).toEqual([]);
    expect(await read('\n\n')).toEqual([]);
  });

  it('has faults that stay in their lines', async () => {
    const invalid = Buffer.from([0x22, 0xff, 0x22, 0x0a]);
    expect(await read('{"a":1}\n{"a":\n', invalid, '[2]\n\u0000\n"end"\n')).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 2, fault: 'is no JSON' },
      { line: 3, fault: 'is no UTF-8' },
      { line: 4, value: [2] },
      { line: 5, fault: 'is no JSON' },
      { line: 6, value: 'end' },
    ]);
  });

  it('refuses a line that never ends, and goes on after it', async () => {
    const part = Buffer.alloc(MAX_LINE_BYTES / 4, 'x');
    expect(await read('1\n', ...Array.from({ length: 9 }, () => part), '\n2\n')).toEqual([
      { line: 1, value: 1 },
      { line: 2, fault: `is longer than ${MAX_LINE_BYTES} bytes` },
      { line: 3, value: 2 },
    ]);
  });

  it('reads the same wherever the input is cut', async () => {
    const values = fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(values, fc.array(fc.nat(200), { maxLength: 6 }), async (list, cuts) => {
        const whole = Buffer.from(list.map((value) => `${JSON.stringify(value)}\n`).join(''));
        const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)).toSorted((a, b) => a - b), whole.length];
        const chunks = places.slice(1).map((end, index) => whole.subarray(places[index], end));
        const rows = await read(...chunks);
        expect(rows).toEqual(list.map((value, index) => ({ line: index + 1, value: JSON.parse(JSON.stringify(value)) as unknown })));
      }),
    );
  });
});
