// What is read as a point in time: ISO 8601, the zone optional in documents (the standard's own example has none; it is
// taken as UTC), a plain date as its midnight.
const FORM = /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(?::(\d{2})([.,]\d{1,9})?)?(?:[Zz]|([+-]\d{2}):?(\d{2}))?)?$/;

/** What is written; nothing is to be done to it. */
const STORED_FORM = /^\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;

/** The same moment in UTC, `1985-05-20T00:00:00Z`, with milliseconds only where there are any; undefined: no such moment. */
export function readTimestamp(text: string): string | undefined {
  if (STORED_FORM.test(text)) return isCalendarDate(text.slice(0, 10)) ? text : undefined;
  const parts = FORM.exec(text);
  if (parts === null) return undefined;
  const [, date = '', clock = '00:00', seconds = '00', fraction = '', offsetHours, offsetMinutes = '00'] = parts;
  if (!isCalendarDate(date) || clock > '23:59') return undefined;
  const offset = offsetHours === undefined ? 'Z' : `${offsetHours}:${offsetMinutes}`;
  return format(Date.parse(`${date}T${clock}:${seconds}${fraction.replace(',', '.').slice(0, 4)}${offset}`));
}

/** The calendar day that was written, whatever its hour and zone, as midnight UTC. */
export function readDay(text: string): string | undefined {
  const date = readTimestamp(text) === undefined ? undefined : text.slice(0, 10);
  return date === undefined ? undefined : `${date}T00:00:00Z`;
}

function isCalendarDate(date: string): boolean {
  const [year, month, day] = [Number(date.slice(0, 4)), Number(date.slice(5, 7)), Number(date.slice(8))];
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const isLeapYear = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= (month === 2 && isLeapYear ? 29 : (DAYS_OF_MONTH[month - 1] ?? 0));
}

const DAYS_OF_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function format(moment: number): string | undefined {
  if (Number.isNaN(moment)) return undefined;
  const written = new Date(moment).toISOString();
  if (!/^\d{4}-/.test(written) || written < '0001') return undefined;
  return written.endsWith('.000Z') ? `${written.slice(0, -5)}Z` : written;
}
