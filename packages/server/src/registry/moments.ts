import { readTimestamp } from './timestamp.ts';

/** From `from` to just before `until`, in the form of the attribute's type. */
export interface Span {
  readonly from: string;
  readonly until: string;
}

type Moment = { readonly kind: 'point'; readonly value: string } | ({ readonly kind: 'span' } & Span);

interface Day {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

const DAY_MS = 86_400_000;
let lastDay = { number: Number.NaN, name: '' };

/** The day (UTC) of a moment in epoch milliseconds, `YYYY-MM-DD`. A message asks it for each of its items: the last one is kept in mind. */
export function dayOf(millis: number): string {
  const number = Math.floor(millis / DAY_MS);
  if (number !== lastDay.number) lastDay = { number, name: new Date(millis).toISOString().slice(0, 10) };
  return lastDay.name;
}

const YEAR = /^\d{4}$/;
const DAY = /^(\d{4})-(\d{2})-(\d{2})$/;
// With its zone: without one it is not known which moment is meant.
const TIMESTAMP = /^(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-](0\d|1[0-4]):[0-5]\d)$/i;

/**
 * A year (`1985`), a day or a timestamp. A date takes a year as the span of its days and of a timestamp the day as it
 * is written, in whatever zone: a date of birth in the standard's form is midnight somewhere. A timestamp takes a year
 * and a day as spans in UTC. Days that no calendar has are no moments.
 */
export function readMoment(type: 'date' | 'timestamp', value: unknown): Moment | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  if (YEAR.test(text)) return readYear(type, Number(text));
  const day = readDay(text);
  if (day !== undefined) return type === 'date' ? { kind: 'point', value: text } : { kind: 'span', ...spanOfDay(text) };
  const written = TIMESTAMP.exec(text)?.[1];
  const moment = written === undefined ? undefined : readTimestamp(text);
  if (written === undefined || moment === undefined) return undefined;
  return { kind: 'point', value: type === 'date' ? written : moment };
}

function readYear(type: 'date' | 'timestamp', year: number): Moment | undefined {
  if (year < 1) return undefined;
  const begin = (one: number): string => {
    const first = { year: one, month: 1, day: 1 };
    return type === 'date' ? writeDay(first) : atMidnight(first);
  };
  return { kind: 'span', from: begin(year), until: begin(year + 1) };
}

function readDay(text: string): Day | undefined {
  const [, year, month, day] = (DAY.exec(text) ?? []).map(Number);
  if (year === undefined || month === undefined || day === undefined) return undefined;
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month) ? { year, month, day } : undefined;
}

function spanOfDay(text: string): Span {
  const next = new Date(`${text}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  const day = { year: next.getUTCFullYear(), month: next.getUTCMonth() + 1, day: next.getUTCDate() };
  return { from: `${text}T00:00:00Z`, until: atMidnight(day) };
}

/** The latest day of birth of someone who has completed `years` years on `today` (born on 29 February: on 1 March). */
export function latestBirth(today: string, years: number): string {
  const now = readDay(today);
  if (now === undefined) throw new Error('today is no day');
  const year = now.year - years;
  return writeDay({ year, month: now.month, day: Math.min(now.day, daysInMonth(year, now.month)) });
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function writeDay({ year, month, day }: Day): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
}

function atMidnight(day: Day): string {
  return `${writeDay(day)}T00:00:00Z`;
}
