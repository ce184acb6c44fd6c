import { randomUUID } from 'node:crypto';
import { parseTxnStatusRequest } from '@dci/protocol';
import { createSyncService, type SyncService, type SyncServiceParts } from './answer-sync.ts';
import { checkHeader, type Sender } from './receive-message.ts';
import type { TxnStatus } from './txn-status.ts';

export interface TxnStatusServiceParts extends SyncServiceParts {
  readonly status: TxnStatus;
  /** Takes points beyond the one that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

const PAGES = { usual: 20, most: 100 };

/** The synchronous edge of the status of transactions. */
export function createTxnStatusService(parts: TxnStatusServiceParts): SyncService {
  return createSyncService(parts, {
    action: 'txn-status',
    answeredBy: 'txn-on-status',
    async answer({ sender, mounted, message, gone }) {
      checkHeader(parts.reception, message, { action: 'txn-status', items: 1, maxItems: 1 });
      const request = parseTxnStatusRequest(message.message);
      return await parts.status.look({
        partner: sender.partner,
        scopes: sender.scopes,
        mounted,
        request,
        correlationId: randomUUID(),
        pages: PAGES,
        gone,
        // One was taken at the door.
        charge: (points) => parts.charge(sender, points - 1),
      });
    },
  });
}
