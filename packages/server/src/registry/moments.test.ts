import { describe, expect, it } from 'vitest';
import { dayOf, latestBirth, readMoment } from './moments.ts';

describe('dayOf', () => {
  it('is the day in UTC, whichever was asked for before', () => {
    for (const time of ['2026-11-30T23:59:59.999Z', '2026-12-01T00:00:00.000Z', '2026-11-30T00:00:00.000Z', '1969-12-31T23:59:59.999Z'])
      expect(dayOf(Date.parse(time))).toBe(time.slice(0, 10));
  });
});

describe('readMoment', () => {
  it('takes a date as a day, however it is written', () => {
    const day = { kind: 'point', value: '1985-05-20' };
    expect(readMoment('date', '1985-05-20')).toEqual(day);
    expect(readMoment('date', '1985-05-20T00:00:00Z')).toEqual(day);
    expect(readMoment('date', '1985-05-20T00:00:00+03:00')).toEqual(day);
    expect(readMoment('date', 1985)).toEqual({ kind: 'span', from: '1985-01-01', until: '1986-01-01' });
    expect(readMoment('date', '9999')).toEqual({ kind: 'span', from: '9999-01-01', until: '10000-01-01' });
  });

  it('takes a timestamp in UTC, and what is coarser as a span', () => {
    expect(readMoment('timestamp', '2024-01-15T10:30:00.120+03:00')).toEqual({ kind: 'point', value: '2024-01-15T07:30:00.120Z' });
    expect(readMoment('timestamp', '2024-02-29')).toEqual({ kind: 'span', from: '2024-02-29T00:00:00Z', until: '2024-03-01T00:00:00Z' });
    expect(readMoment('timestamp', '2024')).toEqual({ kind: 'span', from: '2024-01-01T00:00:00Z', until: '2025-01-01T00:00:00Z' });
  });

  it('takes nothing else', () => {
    for (const value of [
      '',
      '85',
      '0000',
      '1985-5-20',
      '2023-02-29',
      '2024-02-30',
      '1900-02-29',
      '2024-00-01',
      '2024-01-15T10:30:00',
      '2024-01-15 10:30:00Z',
      '2024-01-15T24:30:00Z',
      '0001-01-01T00:00:00+01:00',
      'now',
      'infinity',
      -1,
      12.5,
      true,
      null,
    ]) {
      expect(readMoment('timestamp', value), String(value)).toBeUndefined();
    }
  });
});

describe('latestBirth', () => {
  it.each([
    ['2025-02-28', 25, '2000-02-28'],
    ['2024-02-29', 24, '2000-02-29'],
    ['2024-02-29', 23, '2001-02-28'],
    ['2025-03-01', 25, '2000-03-01'],
    ['2025-07-15', 0, '2025-07-15'],
    ['2025-12-31', 125, '1900-12-31'],
  ])('on %s of someone who is %i: %s', (today, years, birth) => expect(latestBirth(today, years)).toBe(birth));
});
