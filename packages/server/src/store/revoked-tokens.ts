import type { Db } from './database.ts';

/** An access token of ours that its client gave back before its time. */
export interface RevokedToken {
  readonly jti: string;
  readonly clientId: string;
  /** When it would have ended by itself. */
  readonly expiresAt: Date;
}

export async function insertRevokedToken(db: Db, { jti, clientId, expiresAt }: RevokedToken): Promise<void> {
  await db
    .insertInto('token_revoked')
    .values({ jti, client_id: clientId, expires_at: expiresAt })
    .onConflict((conflict) => conflict.column('jti').doNothing())
    .execute();
}

/** Ids of those that have not ended by themselves. */
export async function loadRevokedTokens(db: Db, now: Date): Promise<ReadonlySet<string>> {
  const rows = await db.selectFrom('token_revoked').select('jti').where('expires_at', '>', now).execute();
  return new Set(rows.map(({ jti }) => jti));
}
