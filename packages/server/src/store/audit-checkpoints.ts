import type { Pool } from 'pg';

/** A signed statement of where the chains stood. */
export interface StoredCheckpoint {
  readonly number: number;
  readonly at: Date;
  /** It also says which partitions were dropped. */
  readonly isDrop: boolean;
  /** Compact JWS. */
  readonly jws: string;
  /** Over the JWS, under a key that is not in the database. */
  readonly mac: Buffer;
}

/** Where a chain stands: its last row. */
export interface ChainHead {
  readonly chain: number;
  readonly seq: number;
  readonly atMs: number;
  /** Base64url. */
  readonly link: string;
}

type Queryable = Pick<Pool, 'query'>;

const COLUMNS = 'number::float8 as number, at, is_drop as "isDrop", jws, mac';

/** Chains that have rows. */
export async function loadChainHeads(db: Queryable): Promise<ChainHead[]> {
  const { rows } = await db.query<Omit<ChainHead, 'link'> & { link: Buffer }>(
    'select chain, seq::float8 as seq, at_ms::float8 as "atMs", link from audit_chain where seq > 0 order by chain',
  );
  return rows.map((row) => ({ ...row, link: row.link.toString('base64url') }));
}

export async function insertCheckpoint(db: Queryable, checkpoint: StoredCheckpoint): Promise<void> {
  const { number, at, isDrop, jws, mac } = checkpoint;
  await db.query('insert into audit_checkpoint (number, at, is_drop, jws, mac) values ($1, $2, $3, $4, $5)', [
    number,
    at,
    isDrop,
    jws,
    mac,
  ]);
}

export async function findLastCheckpoint(db: Queryable): Promise<StoredCheckpoint | undefined> {
  return await findOne(db, 'true');
}

/** The last that tells of dropped partitions. */
export async function findLastDrop(db: Queryable): Promise<StoredCheckpoint | undefined> {
  return await findOne(db, 'is_drop');
}

export async function findCheckpoint(db: Queryable, number: number): Promise<StoredCheckpoint | undefined> {
  return await findOne(db, 'number = $1', number);
}

/** From a number on, in order. */
export async function loadCheckpoints(db: Queryable, from: number, most: number): Promise<StoredCheckpoint[]> {
  const { rows } = await db.query<StoredCheckpoint>(`select ${COLUMNS} from audit_checkpoint where number >= $1 order by number limit $2`, [
    from,
    most,
  ]);
  return rows;
}

/** Keeps others from writing a checkpoint until the transaction of `db` ends. */
export async function lockCheckpoints(db: Queryable): Promise<void> {
  await db.query('select pg_advisory_xact_lock($1)', [CHECKPOINT_LOCK]);
}

const CHECKPOINT_LOCK = 7_310_008;

async function findOne(db: Queryable, condition: string, ...values: readonly unknown[]): Promise<StoredCheckpoint | undefined> {
  const { rows } = await db.query<StoredCheckpoint>(
    `select ${COLUMNS} from audit_checkpoint where ${condition} order by number desc limit 1`,
    [...values],
  );
  return rows[0];
}

/** Up to which checkpoint the trail has been verified. */
export interface VerifiedMark {
  readonly number: number;
  readonly at: Date;
  readonly mac: Buffer;
}

export async function findVerifiedMark(db: Queryable): Promise<VerifiedMark | undefined> {
  const { rows } = await db.query<VerifiedMark>('select number::float8 as number, at, mac from audit_verified');
  return rows[0];
}

export async function putVerifiedMark(db: Queryable, { number, at, mac }: VerifiedMark): Promise<void> {
  await db.query(
    `insert into audit_verified (number, at, mac) values ($1, $2, $3)
     on conflict (only_one) do update set number = excluded.number, at = excluded.at, mac = excluded.mac`,
    [number, at, mac],
  );
}

/** The links of the rows at `heads`, in their order; undefined: there is no such row. */
export async function findLinks(db: Queryable, heads: readonly ChainHead[]): Promise<(string | undefined)[]> {
  if (heads.length === 0) return [];
  const { rows } = await db.query<{ n: number; link: Buffer }>(
    `select wanted.n::integer, audit.link
     from unnest($1::smallint[], $2::bigint[], $3::bigint[]) with ordinality as wanted (chain, seq, at_ms, n)
     join audit on audit.at = to_timestamp(wanted.at_ms / 1000.0) and audit.chain = wanted.chain and audit.seq = wanted.seq`,
    [heads.map(({ chain }) => chain), heads.map(({ seq }) => seq), heads.map(({ atMs }) => atMs)],
  );
  const links = new Map(rows.map(({ n, link }) => [n, link.toString('base64url')]));
  return heads.map((_, index) => links.get(index + 1));
}
