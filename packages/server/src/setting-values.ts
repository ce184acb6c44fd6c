import { isIP } from 'node:net';

/** How the text of a setting is read: each function returns the typed value, or throws what is wrong with the text. */

export const text = (value: string): string => value;

export function wholeNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < least || number > most) throw new Error(`must be a whole number from ${least} to ${most}`);
    return number;
  };
}

export function oneOf<T extends string>(...values: readonly T[]): (value: string) => T {
  return (value) => {
    const found = values.find((candidate) => candidate === value);
    if (found === undefined) throw new Error(`must be one of ${values.join(', ')}`);
    return found;
  };
}

export function path(value: string): string {
  if (!/^(\/[A-Za-z0-9._~-]+)*$/.test(value)) throw new Error('must be empty or begin with / and not end with one, e.g. /api/v2/dci');
  return value;
}

export function networks(value: string): readonly string[] {
  const named = value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  for (const network of named) {
    const [address = '', length = '0', ...rest] = network.split('/');
    const most = isIP(address) === 4 ? 32 : 128;
    if (isIP(address) === 0 || rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > most)
      throw new Error('must be addresses or networks separated by commas, e.g. 10.0.0.5,192.168.1.0/24');
  }
  return named;
}

export function retention(value: string): ReadonlyMap<string, number | undefined> {
  const entries = value.split(',').filter((part) => part.trim() !== '');
  return new Map(
    entries.map((entry) => {
      const [, name, days, forever] = /^\s*([a-z_]+)=(?:([1-9]\d{0,4})d|(forever))\s*$/.exec(entry) ?? [];
      if (name === undefined || (days === undefined && forever === undefined))
        throw new Error('must be kinds with their times, separated by commas, e.g. change_events=30d,transactions=forever');
      return [name, days === undefined ? undefined : Number(days)];
    }),
  );
}

export function databaseUrl(value: string): string {
  const scheme = URL.parse(value)?.protocol;
  if (scheme !== 'postgres:' && scheme !== 'postgresql:') throw new Error('must be a postgres:// URL');
  return value;
}

/** Nothing but these words: a switch is never on, or off, by accident. */
export function flag(value: string): boolean {
  const word = oneOf('true', 'false', '1', '0')(value);
  return word === 'true' || word === '1';
}

/** Where others reach the server: scheme, host and port. */
export function origin(value: string): string {
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || value.replace(/\/$/, '') !== url.origin)
    throw new Error('must be a URL of scheme and host alone, e.g. https://registry.example.org');
  return url.origin;
}

/** A path at which others reach the server. */
export function baseUrl(value: string): string {
  const url = URL.parse(value);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '' || url.hash !== '')
    throw new Error('must be a URL of scheme, host and path, e.g. https://registry.example.org/api/v2/dci');
  return url.href.replace(/\/+$/, '');
}

const SECRET_BYTES = 32;
const LEAST_VARIETY = 20;

/**
 * A secret of at least 32 bytes of entropy. Entropy cannot be measured, so only what looks like encoded random bytes is
 * taken: 64 hexadecimal digits, or 43 characters of base64 in capitals and small letters, or more. Of the bytes that it
 * stands for, of the steps from one to the next, and of the steps between letters of base64, 20 must differ; of random ones
 * 30 do. Words, repetitions and sequences are refused.
 */
export function randomSecret(value: string): string {
  const isHexadecimal = /^(?:[0-9a-f]{2})+$/i.test(value);
  const isBase64 = /^[A-Za-z0-9+/_-]+={0,2}$/.test(value) && /[A-Z]/.test(value) && /[a-z]/.test(value);
  const bytes = Buffer.from(isHexadecimal || isBase64 ? value : '', isHexadecimal ? 'hex' : 'base64');
  const looks = [bytes, stepsOf(bytes), ...(isHexadecimal ? [] : [stepsOf(Buffer.from(value))])];
  if (bytes.length >= SECRET_BYTES && looks.every((list) => new Set(list).size >= LEAST_VARIETY)) return value;
  throw new Error(
    `must be at least ${SECRET_BYTES} random bytes, hexadecimal or base64, as "openssl rand -base64 ${SECRET_BYTES}" prints them`,
  );
}

function stepsOf(bytes: Uint8Array): Uint8Array {
  return bytes.slice(1).map((byte, index) => byte - (bytes[index] ?? 0));
}
