import { randomInt } from 'node:crypto';
import { writeSearchMessage } from '@dci/client';
import { importPrivateKey, type SearchCriteria, type SigningKey } from '@dci/protocol';
import type { Shot } from './fire.ts';

/** An identifier that a record in the database has. */
export interface Identifier {
  readonly type: string;
  readonly value: string;
}

/** Whose messages, and of what kind. */
export interface Traffic {
  readonly path: string;
  readonly senderId: string;
  readonly token: string;
  /** PKCS#8 PEM and its id; absent: unsigned. */
  readonly key?: { readonly pem: string; readonly kid: string } | undefined;
  /** Identifiers in one message. */
  readonly batch: number;
}

/** Writes `count` messages, each about other identifiers chosen at random, each with a `message_id` and a signature of its own. */
export function writeShots(traffic: Traffic, identifiers: readonly Identifier[], count: number): Shot[] {
  const signingKey = traffic.key === undefined ? undefined : importPrivateKey(traffic.key.pem, { kid: traffic.key.kid });
  return Array.from({ length: count }, () => writeShot(traffic, signingKey, choose(identifiers, traffic.batch)));
}

/** One after another from a random place, so that a batch does not ask for the same one twice. */
function choose(identifiers: readonly Identifier[], count: number): Identifier[] {
  const start = randomInt(identifiers.length);
  return Array.from({ length: count }, (_, index) => identifiers[(start + index) % identifiers.length]).filter(
    (found) => found !== undefined,
  );
}

function writeShot(traffic: Traffic, signingKey: SigningKey | undefined, asked: readonly Identifier[]): Shot {
  const { text } = writeSearchMessage({ senderId: traffic.senderId, criteria: asked.map(byIdentifier), signingKey, now: Date.now() });
  const head =
    `POST ${traffic.path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${traffic.token}\r\n` +
    `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`;
  return { request: Buffer.from(head + text), expected: asked.map(({ value }) => value) };
}

function byIdentifier({ type, value }: Identifier): SearchCriteria {
  return { query_type: 'idtype-value', query: { type, value } };
}
