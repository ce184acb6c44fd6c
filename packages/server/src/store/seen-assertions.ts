import type { Db } from './database.ts';

/** Notes that an assertion was used. False: it was used before, here or at another node. */
export async function claimAssertion(db: Db, digest: string, expiresAt: Date): Promise<boolean> {
  const result = await db
    .insertInto('client_assertion_seen')
    .values({ digest, expires_at: expiresAt })
    .onConflict((conflict) => conflict.column('digest').doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}
