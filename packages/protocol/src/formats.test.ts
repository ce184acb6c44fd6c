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

function two(value: number): string {
  return String(Math.trunc(value)).padStart(2, '0');
}
