import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timestampMillis } from './formats.ts';

describe('timestampMillis', () => {
  it('is the moment that is written, whatever its zone', () => {
    const moments = fc.date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true });
    fc.assert(
      fc.property(moments, fc.integer({ min: -1439, max: 1439 }), (moment, offset) => {
        const local = new Date(moment.getTime() + offset * 60_000).toISOString().slice(0, -1);
        const zone = `${offset < 0 ? '-' : '+'}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
        expect(timestampMillis(local + zone)).toBe(moment.getTime());
        expect(timestampMillis(local + zone.replace(':', ''))).toBe(moment.getTime());
        expect(timestampMillis(moment.toISOString())).toBe(moment.getTime());
      }),
      { seed: 20240115, numRuns: 500 },
    );
  });

  it('takes the short way to the same moment as the long one, or to the same refusal', () => {
    const parts = [
      fc.constantFrom('1600', '1601', '1900', '2000', '2024', '2100', '9999', '0001', '20x4'),
      twoCharacters(),
      twoCharacters(),
      twoCharacters(),
      twoCharacters(),
      twoCharacters(),
    ];
    const fractions = fc.constantFrom('', '.000', '.001', '.057', '.999', '.9x9', ':123');
    fc.assert(
      fc.property(fc.tuple(...parts), fractions, ([year, month, day, hour, minute, second], fraction) => {
        const local = `${year}-${month}-${day}T${hour}:${minute}:${second}${fraction}`;
        expect(timestampMillis(`${local}Z`)).toBe(timestampMillis(`${local}+00:00`));
      }),
      { seed: 20240115, numRuns: 20_000 },
    );
  });

  it.each([
    ['2024-01-15T10:30:00Z', Date.UTC(2024, 0, 15, 10, 30)],
    ['2024-01-15 10:30:00z', Date.UTC(2024, 0, 15, 10, 30)],
    ['2024-01-15T10:30:00.1239Z', Date.UTC(2024, 0, 15, 10, 30, 0, 123)],
    ['2024-02-29T00:00:00+05', Date.UTC(2024, 1, 28, 19)],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
    ['2017-01-01T05:29:60+05:30', Date.UTC(2017, 0, 1)],
  ])('reads %s', (text, millis) => {
    expect(timestampMillis(text)).toBe(millis);
  });

  it.each([
    '',
    '2024-01-15',
    '2024-01-15T10:30:00',
    '2024-01-15T10:30Z',
    '2024-00-15T10:30:00Z',
    '2024-13-15T10:30:00Z',
    '2024-01-00T10:30:00Z',
    '2024-04-31T10:30:00Z',
    '2023-02-29T10:30:00Z',
    '1900-02-29T10:30:00Z',
    '2024-01-15T24:00:00Z',
    '2024-01-15T10:60:00Z',
    '2024-01-15T10:30:60Z',
    '2024-01-15T10:30:61Z',
    '2024-01-15T10:30:00+24:00',
    '2024-01-15T10:30:00+05:60',
    '2024-01-15T10:30:00.Z',
    ' 2024-01-15T10:30:00Z',
    '2024-01-15T10:30:00Z\n',
    '+02024-01-15T10:30:00Z',
    '٢٠٢٤-01-15T10:30:00Z',
  ])('does not read "%s"', (text) => {
    expect(timestampMillis(text)).toBeUndefined();
  });
});

/** Two characters, most often those of a day, an hour or a minute. */
function twoCharacters(): fc.Arbitrary<string> {
  const numbers = (max: number): fc.Arbitrary<string> => fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, '0'));
  return fc.oneof(
    { weight: 6, arbitrary: numbers(12) },
    { weight: 3, arbitrary: numbers(31) },
    { weight: 1, arbitrary: numbers(61) },
    { weight: 1, arbitrary: fc.constantFrom('1x', ' 1', '-1', '+1') },
  );
}

function two(value: number): string {
  return String(Math.trunc(value)).padStart(2, '0');
}
