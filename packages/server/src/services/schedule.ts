import { Cron } from 'croner';

/**
 * When gathered events are told: a cron expression of five fields, or of six or seven as Quartz has them (seconds first,
 * `?` for any day, days of the week from 1, Sunday), in UTC; or `immediate`, `hourly`, `daily`, `weekly`.
 */

const NAMED: Readonly<Record<string, string | null>> = {
  immediate: null,
  hourly: '0 * * * *',
  daily: '0 0 * * *',
  weekly: '0 0 * * 1',
};

const LONGEST = 100;

/** The expression, null for "at once", undefined where it is none or never comes due. */
export function readSchedule(text: string, now: Date): string | null | undefined {
  const trimmed = text.trim();
  const name = trimmed.toLowerCase();
  if (Object.hasOwn(NAMED, name)) return NAMED[name];
  if (trimmed.length > LONGEST) return undefined;
  return findNextRun(trimmed, now) === undefined ? undefined : trimmed;
}

/** The first time after `now`; undefined: there is none, or the expression is none. */
export function findNextRun(schedule: string, now: Date): Date | undefined {
  const fields = schedule.split(/\s+/).length;
  if (fields < 5 || fields > 7) return undefined;
  try {
    const cron = new Cron(schedule, {
      paused: true,
      timezone: 'UTC',
      mode: fields === 5 ? '5-part' : '6-or-7-parts',
      alternativeWeekdays: fields > 5,
    });
    return cron.nextRun(now) ?? undefined;
  } catch {
    return undefined;
  }
}
