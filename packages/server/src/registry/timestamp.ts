// What is read as a point in time: ISO 8601, the zone optional in documents (the standard's own example has none; it is
// taken as UTC), a plain date as its midnight.
const FORM = /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2})(?::(\d{2})([.,]\d{1,9})?)?(?:[Zz]|([+-]\d{2}):?(\d{2}))?)?$/;

/** The same moment in UTC, `1985-05-20T00:00:00Z`, with milliseconds only where there are any; undefined: no such moment. */
export function readTimestamp(text: string): string | undefined {
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
  const midnight = Date.parse(`${date}T00:00:00Z`);
  return date > '0001' && !Number.isNaN(midnight) && new Date(midnight).toISOString().startsWith(date);
}

function format(moment: number): string | undefined {
  if (Number.isNaN(moment)) return undefined;
  const written = new Date(moment).toISOString();
  if (!/^\d{4}-/.test(written) || written < '0001') return undefined;
  return written.endsWith('.000Z') ? `${written.slice(0, -5)}Z` : written;
}
