import { generateKeyPairSync } from 'node:crypto';
import { signBytes } from '@dci/protocol';
import { openSignatureExecutor } from '@dci/server';
import {
  type BareOrder,
  type BareReady,
  lookUpRows,
  openPool,
  type Query,
  queriesOf,
  type SearchMessage,
  serveBare,
  writeRecords,
} from './bare-search.ts';
import { serveOrders } from './child.ts';
import type { SignatureAlgorithm } from './partner.ts';

/**
 * The bound, as a process of its own: the floor and, beside the look-up, as little as can be of what a signed and audited
 * answer cannot leave without. It verifies one and the same signature over as many bytes as a message has, signs what it
 * answers, and commits a row of two columns with one index. It does so by the means of the server: signatures go where its
 * go, the look-ups of one turn of the event loop share a statement, rows that come during a commit share the next.
 * Messages of one identifier only.
 */

export interface BoundOrder extends BareOrder {
  readonly signature: SignatureAlgorithm;
}

const TABLE = 'bench_bound';
/** Of the part of a message that is signed. */
const SIGNED_BYTES = 900;

async function serveBound(order: BoundOrder): Promise<BareReady> {
  const pool = openPool(order.connection);
  await pool.query(`drop table if exists ${TABLE}`);
  await pool.query(`create table ${TABLE} (message_id text primary key, content text)`);
  const signatures = openSignatureExecutor();
  const { privateKey, publicKey } =
    order.signature === 'es256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const algorithm = order.signature === 'es256' ? 'ES256' : 'EdDSA';
  const content = Buffer.alloc(SIGNED_BYTES, 'a');
  const signature = signBytes(algorithm, privateKey, content);
  const keep = share(async (rows: readonly SearchMessage[]) => {
    const values = [rows.map(({ header }) => header.message_id), rows.map(({ message }) => JSON.stringify(message))];
    await pool.query({ name: TABLE, text: `insert into ${TABLE} select * from unnest($1::text[], $2::text[])`, values });
    return rows;
  }, 1);
  const lookUp = share(async (queries: readonly Query[]) => {
    const rows = await lookUpRows(pool, order, queries);
    return queries.length === 1 ? [rows] : queries.map((_, index) => rows.filter(([place]) => place === String(index + 1)));
  }, Number.POSITIVE_INFINITY);
  return await serveBare(async (message) => {
    if (!(await signatures.verify({ algorithm, key: publicKey, content, signature }))) throw new Error('the signature is not good');
    const [query] = queriesOf(message);
    if (query === undefined) throw new Error('nothing is asked');
    const records = writeRecords(await lookUp(query));
    const [made] = await Promise.all([signatures.sign({ algorithm, key: privateKey, content: Buffer.from(records) }), keep(message)]);
    return `{"signature":"${made.toString('base64')}",${records.slice(1)}`;
  });
}

interface Waiting<Asked, Found> {
  readonly asked: Asked;
  readonly resolve: (found: Found) => void;
  readonly reject: (error: unknown) => void;
}

/** Does together what one turn of the event loop asks, and at most `most` at the same time. */
function share<Asked, Found>(
  perform: (asked: readonly Asked[]) => Promise<readonly Found[]>,
  most: number,
): (asked: Asked) => Promise<Found> {
  let waiting: Waiting<Asked, Found>[] = [];
  let running = 0;
  let isDue = false;

  function begin(): void {
    if (isDue || waiting.length === 0 || running === most) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      void performAll();
    });
  }

  async function performAll(): Promise<void> {
    const batch = waiting;
    waiting = [];
    running += 1;
    try {
      const found = await perform(batch.map(({ asked }) => asked));
      for (const [index, one] of batch.entries()) one.resolve(found[index] as Found);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
    running -= 1;
    begin();
  }

  return (asked) =>
    new Promise((resolve, reject) => {
      waiting.push({ asked, resolve, reject });
      begin();
    });
}

serveOrders((order) => serveBound(order as BoundOrder));
