import { UsageError } from './output.ts';

/** What several commands are told in the same words; each says what is wrong with it. */

/** @param what e.g. `a delivery` */
export function readId(text: string, what: string): string {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) throw new UsageError(`"${text}" is no id of ${what}`);
  return text;
}

const MOST = 10_000;

/** The value of `--limit`. */
export function readLimit(text: string): number {
  const most = Number(text);
  if (!(Number.isInteger(most) && most >= 1 && most <= MOST)) throw new UsageError(`--limit is a number from 1 to ${MOST}`);
  return most;
}
