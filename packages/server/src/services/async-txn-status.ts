import { parseTxnStatusRequest } from '@dci/protocol';
import type { AuditLog } from '../disclosure/audit-log.ts';
import { type AsyncAction, claimPart } from './async-action.ts';
import { checkHeader, type Reception, type Sender } from './receive-message.ts';
import { describeSender } from './search-audit.ts';
import { tell } from './search-message.ts';
import { readKey, type TxnStatus, writeStatus } from './txn-status.ts';

export interface AsyncTxnStatusParts {
  readonly reception: Reception;
  readonly status: TxnStatus;
  readonly audit: AuditLog;
  /** Takes points beyond the one that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

const PAGES = { usual: 100, most: 2_000 };

/** The status of transactions, answered later. */
export function createAsyncTxnStatus({ reception, status, audit, charge }: AsyncTxnStatusParts): AsyncAction {
  return {
    action: 'txn-status',
    answeredBy: 'txn-on-status',
    scope: 'registry/search',
    read(message) {
      checkHeader(reception, message, { action: 'txn-status', items: 1, maxItems: 1 });
      const request = parseTxnStatusRequest(message.message);
      readKey(request);
      return { transactionId: request.transaction_id, referenceIds: [request.txnstatus_request.reference_id], items: 1 };
    },
    async run({ transaction, request, partner, mounted, signal }) {
      const { correlationId, remoteAddress } = transaction;
      const sender: Sender = { partner, scopes: new Set(), remoteAddress };
      const answer = await status.look({
        partner,
        scopes: partner.scopes,
        mounted,
        request: parseTxnStatusRequest(request),
        correlationId,
        pages: PAGES,
        gone: signal,
        charge: (points) => charge(sender, points - 1),
      });
      const entry = { ...describeSender({ partner, remoteAddress }, 'txn-status'), ...answer.entry, ...claimPart(reception.now()) };
      const { text } = await audit.release(entry, async () => answer.write());
      return { header: { action: 'txn-on-status', ...answer.header }, content: text };
    },
    refuse({ correlationId, request }, fault) {
      const content = writeStatus(parseTxnStatusRequest(JSON.parse(request ?? '')), correlationId);
      return { header: { action: 'txn-on-status', status: 'rjct', reasonMessage: tell(fault), totalCount: 1, completedCount: 0 }, content };
    },
  };
}
