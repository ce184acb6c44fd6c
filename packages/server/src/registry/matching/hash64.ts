import { hash } from 'node:crypto';

/** A text as a signed number of 64 bits: PostgreSQL's `bigint`. */
export function hash64(text: string): bigint {
  return hash('sha256', text, 'buffer').readBigInt64BE(0);
}
