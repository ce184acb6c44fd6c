import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readDay, readTimestamp } from './timestamp.ts';

describe('a point in time', () => {
  it.each([
    ['2024-01-15T10:30:00Z', '2024-01-15T10:30:00Z'],
    ['2024-01-15T10:30:00.000Z', '2024-01-15T10:30:00Z'],
    ['2024-01-15T10:30:00.25+02:00', '2024-01-15T08:30:00.250Z'],
    ['2022-12-04T17:20:07-0400', '2022-12-04T21:20:07Z'],
    ['2020-09-21T11:20:00', '2020-09-21T11:20:00Z'],
    ['2020-09-21 11:20', '2020-09-21T11:20:00Z'],
    ['2020-09-21', '2020-09-21T00:00:00Z'],
    ['2024-02-29', '2024-02-29T00:00:00Z'],
    ['0001-01-01', '0001-01-01T00:00:00Z'],
  ])('%s is %s', (written, read) => {
    expect(readTimestamp(written)).toBe(read);
  });

  it.each([
    '2023-02-29',
    '1900-02-29T00:00:00Z',
    '2024-13-01',
    '2024-00-10',
    '0000-01-01',
    '2024-01-15T24:00:00Z',
    '2024-01-15T10:60:00Z',
    '2024-01-15T10:30:60Z',
  ])('%s is none', (written) => {
    expect(readTimestamp(written)).toBeUndefined();
  });

  it.each([
    '',
    'yesterday',
    '15.01.2024',
    '20240115',
    '2024-1-5',
    '0001-01-01T00:00:00+10:00',
    '9999-12-31T23:00:00-05:00',
    '+012024-01-15',
    '2024-01-15T10:30:00+99:00',
  ])('%j is none', (written) => {
    expect(readTimestamp(written)).toBeUndefined();
  });

  it('is the moment that was written, and stays what it is when read again', () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date('0001-01-02T00:00:00Z'), max: new Date('9999-12-30T00:00:00Z'), noInvalidDate: true }),
        (date) => {
          const read = readTimestamp(date.toISOString());
          expect(Date.parse(read ?? '')).toBe(date.getTime());
          expect(readTimestamp(read ?? '')).toBe(read);
        },
      ),
    );
  });
});

describe('a day', () => {
  it.each([
    ['1985-05-20', '1985-05-20T00:00:00Z'],
    ['1985-05-20T00:00:00+07:00', '1985-05-20T00:00:00Z'],
    ['1995-09-21T23:20:00-11:00', '1995-09-21T00:00:00Z'],
  ])('%s is %s, whatever its hour and zone', (written, read) => {
    expect(readDay(written)).toBe(read);
  });

  it('must be on the calendar', () => {
    expect(readDay('1985-02-30')).toBeUndefined();
  });
});
