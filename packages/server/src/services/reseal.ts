import { type KeyUse, OWN_KEY_COLUMN } from '../store/own-keys.ts';
import type { Db } from '../store/database.ts';
import { loadSealed, replaceSealed, type SealedColumn } from '../store/sealed.ts';
import { INBOX_COLUMN } from '../store/inbox.ts';
import { CALLBACK_AUTH_COLUMN } from '../store/partners.ts';
import { inboxUse } from './inbox-content.ts';
import { sealedAs } from './own-key-kinds.ts';
import { CALLBACK_AUTH_USE } from './receiver-credentials.ts';
import type { Sealer } from './sealer.ts';

/** A column of texts that were sealed, and what each was sealed for. Whoever seals anything in the database adds a line. */
interface SealedKind {
  readonly column: SealedColumn;
  readonly use: (row: { readonly id: string; readonly detail: string }) => string;
}

const SEALED_KINDS: readonly SealedKind[] = [
  { column: OWN_KEY_COLUMN, use: ({ id, detail }) => sealedAs(detail as KeyUse, id) },
  { column: CALLBACK_AUTH_COLUMN, use: () => CALLBACK_AUTH_USE },
  { column: INBOX_COLUMN, use: ({ id }) => inboxUse(id) },
];

/**
 * Seals under another key encryption key all that the database holds sealed: everything, or nothing where one cannot be
 * opened. Returns how many there were. No server may be running: each opens with the key it was started with.
 */
export async function resealAll(db: Db, from: Sealer, to: Sealer): Promise<number> {
  return await db.transaction().execute(async (transaction) => {
    let count = 0;
    for (const { column, use } of SEALED_KINDS) {
      for (const row of await loadSealed(transaction, column)) {
        await replaceSealed(transaction, column, row.id, to.seal(from.unseal(row.sealed, use(row)), use(row)));
        count += 1;
      }
    }
    return count;
  });
}
