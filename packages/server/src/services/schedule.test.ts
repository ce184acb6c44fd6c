import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findNextRun, readSchedule } from './schedule.ts';

const NOW = new Date('2026-11-24T10:30:00Z');

describe('a schedule', () => {
  it.each([
    ['hourly', '2026-11-24T11:00:00.000Z'],
    ['Daily', '2026-11-25T00:00:00.000Z'],
    ['weekly', '2026-11-30T00:00:00.000Z'],
    ['*/5 * * * *', '2026-11-24T10:35:00.000Z'],
    ['0 0 * * 1', '2026-11-30T00:00:00.000Z'],
    ['0 0 0 5,15 * ? *', '2026-12-05T00:00:00.000Z'],
    ['0 0 12 * * ?', '2026-11-24T12:00:00.000Z'],
    // Quartz counts the days of the week from Sunday, 1.
    ['0 0 12 ? * 2', '2026-11-30T12:00:00.000Z'],
    ['0 0 12 ? * MON-FRI', '2026-11-24T12:00:00.000Z'],
    ['0 0 0 1 1 ? 2028', '2028-01-01T00:00:00.000Z'],
    ['0 0 0 L * ?', '2026-11-30T00:00:00.000Z'],
  ])('%s comes due at %s', (text, due) => {
    const schedule = readSchedule(text, NOW);
    expect(findNextRun(schedule ?? '', NOW)?.toISOString()).toBe(due);
  });

  it('is none for what is told at once', () => {
    expect(readSchedule(' immediate ', NOW)).toBeNull();
  });

  it.each([
    '',
    'soon',
    'constructor',
    '* * * *',
    '61 * * * *',
    '0 0 0 31 2 ?',
    '0 0 0 1 1 ? 2020',
    '@daily',
    '* * * * * * * *',
    `${'*'.repeat(99)} * * * *`,
  ])('%j is none', (text) => {
    expect(readSchedule(text, NOW)).toBeUndefined();
  });

  it('comes due later, or is none, whatever is written', () => {
    const field = fc.oneof(fc.constant('*'), fc.constant('?'), fc.integer({ min: 0, max: 60 }).map(String), fc.string({ maxLength: 5 }));
    fc.assert(
      fc.property(fc.array(field, { minLength: 5, maxLength: 7 }), (fields) => {
        const next = findNextRun(fields.join(' '), NOW);
        expect(next === undefined || next > NOW).toBe(true);
      }),
    );
  });
});
