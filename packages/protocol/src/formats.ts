import { Type } from 'typebox';

/**
 * The small shapes that every message of the standard is made of: timestamps, locales, ids, and values left open.
 * Each carries the words that tell a sender what was expected. Refused here: a date that no calendar has, a time
 * without its zone, a locale that is not three lower-case letters.
 */

/**
 * An object whose members the standard leaves open.
 *
 * Source: `meta`, `consent`, `authorize` and the records of the SPDCI OpenAPI.
 *
 * @example
 * const meta: OpenObject = { app_name: 'benefits' };
 */
export type OpenObject = Readonly<Record<string, unknown>>;
export const OpenObject = Type.Unsafe<OpenObject>({ type: 'object', description: 'an object' });

/**
 * ISO 8601 date and time with a zone, of a day that the calendar has.
 *
 * Source: `SubscriptionInfo.timestamp` of the SPDCI OpenAPI; RFC 3339 for the form.
 *
 * @example
 * const taken: string = '2024-01-15T10:30:00+05:30';
 */
export const Timestamp = Type.String({
  format: 'date-time',
  description: 'an ISO 8601 date and time with a zone, such as 2024-01-15T10:30:00Z',
});

/**
 * ISO 639-3 code of a language.
 *
 * Source: `SubscriptionInfo.locale` of the SPDCI OpenAPI.
 *
 * @example
 * const locale: string = 'eng';
 */
export const Locale = Type.String({
  pattern: '^[a-z]{3}$',
  description: 'an ISO 639-3 language code of three lower-case letters, such as eng',
});

/** An id that is at most 99 characters long: `transaction_id`, `correlation_id`, `subscription_code`. */
export const ShortId = Type.String({ maxLength: 99, description: 'an id of at most 99 characters' });

/** Text for people, next to a reason code: at most 999 characters. */
export const ReasonMessage = Type.String({ maxLength: 999, description: 'a text of at most 999 characters' });

/** A whole number that a page can have: 1 to 2,147,483,647. */
export const PageCount = Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'a whole number from 1' });

/** A number of things: 0 to 2,147,483,647. */
export const Count = Type.Integer({ minimum: 0, maximum: 2_147_483_647, description: 'a whole number from 0' });

const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d)(?::?(\d\d))?)$/;

/**
 * Milliseconds since 1970 of a timestamp, or `undefined` when the text is none: no zone, or a day or time that does not exist.
 * A leap second counts as the second after it.
 *
 * Source: RFC 3339 section 5.6; ISO 8601 offsets without colon or minutes are read too.
 *
 * @example
 * timestampMillis('2024-01-15T10:30:00+01:00') === Date.UTC(2024, 0, 15, 9, 30);
 * timestampMillis('2024-01-15T10:30:00') === undefined;
 */
export function timestampMillis(text: string): number | undefined {
  return plainMillis(text) ?? writtenMillis(text);
}

const [ZERO, NINE] = [0x30, 0x39];
const DAYS_BEFORE = [0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const DAY_MS = 86_400_000;

/**
 * The same of what nearly all senders write, `2024-01-15T10:30:00Z` or `2024-01-15T10:30:00.000Z`; `undefined` of everything
 * else. A message has a timestamp for each of its items.
 */
function plainMillis(text: string): number | undefined {
  const { length } = text;
  if ((length !== 20 && length !== 24) || !hasPlainShape(text)) return undefined;
  const year = digitsAt(text, 0, 4);
  const month = digitsAt(text, 5, 2);
  const day = digitsAt(text, 8, 2);
  const hour = digitsAt(text, 11, 2);
  const minute = digitsAt(text, 14, 2);
  const second = digitsAt(text, 17, 2);
  const milliseconds = length === 20 ? 0 : digitsAt(text, 20, 3);
  // NaN, where a digit is none, is not within any bounds.
  if (!(year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month))) return undefined;
  if (!(hour <= 23 && minute <= 59 && second <= 59 && milliseconds <= 999)) return undefined;
  return dayNumber(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milliseconds;
}

function hasPlainShape(text: string): boolean {
  const { length } = text;
  return (
    text.charCodeAt(4) === 0x2d &&
    text.charCodeAt(7) === 0x2d &&
    text.charCodeAt(10) === 0x54 &&
    text.charCodeAt(13) === 0x3a &&
    text.charCodeAt(16) === 0x3a &&
    (length === 20 || text.charCodeAt(19) === 0x2e) &&
    text.charCodeAt(length - 1) === 0x5a
  );
}

/** The number that `count` digits make; NaN where one is none. */
function digitsAt(text: string, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at += 1) {
    const code = text.charCodeAt(at);
    if (code < ZERO || code > NINE) return Number.NaN;
    value = value * 10 + code - ZERO;
  }
  return value;
}

/** Days since 1970. */
function dayNumber(year: number, month: number, day: number): number {
  const past = year - 1;
  const leapDays = Math.floor(past / 4) - Math.floor(past / 100) + Math.floor(past / 400);
  return past * 365 + leapDays - 719_162 + (DAYS_BEFORE[month] ?? 0) + (month > 2 && isLeap(year) ? 1 : 0) + day - 1;
}

/** Days of a month from 1 to 12. */
function daysOf(year: number, month: number): number {
  return (DAYS_BEFORE[month + 1] ?? 365) - (DAYS_BEFORE[month] ?? 0) + (month === 2 && isLeap(year) ? 1 : 0);
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function writtenMillis(text: string): number | undefined {
  const parts = TIMESTAMP.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as [number, number, number, number, number, number];
  const offset = offsetMinutes(parts);
  if (!isCalendarDay(year, month, day) || offset === undefined) return undefined;
  if (hour > 23 || minute > 59 || second > 60) return undefined;
  if (second === 60 && !endsUtcDay(hour, minute, offset)) return undefined;
  const milliseconds = Math.trunc(Number(`0.${parts[7] ?? '0'}`) * 1000);
  return utcMillis(year, month, day) + ((hour * 60 + minute - offset) * 60 + second) * 1000 + milliseconds;
}

function offsetMinutes(parts: RegExpExecArray): number | undefined {
  if (parts[8] !== undefined) return 0;
  const hours = Number(parts[10]);
  const minutes = Number(parts[11] ?? '0');
  if (hours > 23 || minutes > 59) return undefined;
  return (parts[9] === '-' ? -1 : 1) * (hours * 60 + minutes);
}

function isCalendarDay(year: number, month: number, day: number): boolean {
  const date = new Date(utcMillis(year, month, day));
  return month >= 1 && month <= 12 && day >= 1 && date.getUTCMonth() === month - 1;
}

function endsUtcDay(hour: number, minute: number, offset: number): boolean {
  const minuteOfDay = (((hour * 60 + minute - offset) % 1440) + 1440) % 1440;
  return minuteOfDay === 1439;
}

/** Unlike `Date.UTC`, takes the years 0 to 99 as they stand. */
function utcMillis(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month - 1, day);
}
