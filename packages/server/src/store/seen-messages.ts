import { sql } from 'kysely';
import type { Db } from './database.ts';

/** False where this partner has used the message id before. `until`: epoch seconds until which a repeat must be recognised. */
export async function claimMessageId(db: Db, partnerId: string, messageId: string, until: number): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into message_seen (partner_id, message_id, expires_at) values (${partnerId}, ${messageId}, to_timestamp(${until}))
    on conflict do nothing`.execute(db);
  return numAffectedRows === 1n;
}
