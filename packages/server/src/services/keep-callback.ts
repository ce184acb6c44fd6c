import { createHash } from 'node:crypto';
import { canonicalJson, DciError, invalidEncryption } from '@dci/protocol';
import { v7 as uuidV7 } from 'uuid';
import type { AuditLog } from '../disclosure/audit-log.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { type InboxMessage, keepInboxMessage } from '../store/inbox.ts';
import { addSubscriptionCodes, findOwnRequest, removeSubscriptionCodes, type RequestKey } from '../store/own-requests.ts';
import type { Partner } from '../store/partners.ts';
import { nameReason } from './accept-request.ts';
import type { CallbackFacts, CallbackKind } from './callback-kinds.ts';
import { sealContent } from './inbox-content.ts';
import { openCallback, type PeerReception, readClaim, type SignedCallback, verifyClaim } from './receive-callback.ts';
import { checkHeader, type Sender } from './receive-message.ts';
import type { Sealer } from './sealer.ts';
import { describeRefusal, describeSender } from './search-audit.ts';

/**
 * The inbox: what other registries send us, kept once it is known who sent it, with the request of ours that it belongs to.
 * What belongs to none is kept all the same. What is acknowledged is committed. A repeat — the same partner, transaction,
 * correlation, references and pages, of a notification its content too — is acknowledged as the first was, and not kept again.
 */
export interface Inbox {
  /**
   * @param mounted the registry of the path, where the path names one
   * @returns the acknowledgement as JSON text
   * @throws DciError where the message is not taken; where it is known who sent it, that is in the audit trail by then.
   *   What anybody can send in another's name must not fill the trail, nor stand in it under that name.
   */
  keep(kind: CallbackKind, caller: Caller, mounted: Profile | undefined, bytes: Uint8Array): Promise<string>;
}

/** Who sends, as far as is known before the message is read. */
export interface Caller {
  readonly remoteAddress: string;
  /** Whose token came with it. */
  readonly bearer: Sender | undefined;
}

export interface InboxParts extends PeerReception {
  readonly db: Db;
  readonly audit: AuditLog;
  readonly sealer: Sealer;
  /** Takes points of the partner's limit; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

export function createInbox(parts: InboxParts): Inbox {
  const { db, audit, reception } = parts;

  async function take(kind: CallbackKind, partner: Partner, mounted: Profile | undefined, signed: SignedCallback) {
    const opened = await openCallback(parts, partner, signed);
    checkHeader(reception, opened, { action: kind.action, items: undefined, maxItems: 0 });
    const facts = kind.read(opened.message);
    const message = describe(parts, { kind, partner, mounted, opened, facts });
    return await db.transaction().execute(async (transaction) => {
      const request = await findOwnRequest(transaction, keyOf(kind, message, opened));
      if (request?.isEncrypted === true && !message.isEncrypted)
        throw invalidEncryption('the answer to an encrypted request came in clear', '/header/is_msg_encrypted');
      const taken = await keepInboxMessage(transaction, { ...message, requestId: request?.id }, hashRepeat(kind, facts, opened.message));
      if (taken.isNew && request !== undefined) await addSubscriptionCodes(transaction, request.id, facts.made ?? []);
      if (taken.isNew) await removeSubscriptionCodes(transaction, partner.id, facts.ended ?? []);
      return taken;
    });
  }

  return {
    async keep(kind, { bearer, remoteAddress }, mounted, bytes) {
      let sender = bearer;
      try {
        const claimed = readClaim(parts, bearer, bytes);
        const signed = await verifyClaim(parts, claimed);
        sender = { partner: claimed.partner, scopes: new Set(), remoteAddress };
        // Not before: whoever merely names a partner must not spend what is the partner's.
        await parts.charge(sender, 1);
        const { isNew, kept } = await take(kind, claimed.partner, mounted, signed);
        await audit.release(
          {
            ...describeSender(sender, kind.action),
            registry: mounted?.registry ?? '',
            messageId: signed.header.message_id,
            transactionId: kept.transactionId,
            correlationId: kept.correlationId,
            purposes: [],
            outcome: isNew ? 'accepted' : 'repeated',
            itemCount: kept.itemCount,
            recordCount: 0,
            disclosed: [],
          },
          async () => '',
        );
        return acknowledge(kept);
      } catch (error) {
        if (!(error instanceof DciError)) throw error;
        if (sender === undefined) reception.log.info({ action: kind.action, code: error.code }, 'refused a callback of nobody known');
        else await audit.release(describeRefusal(sender, kind.action, error, undefined), async () => '');
        throw nameReason(error);
      }
    },
  };
}

interface Taken {
  readonly kind: CallbackKind;
  readonly partner: Partner;
  readonly mounted: Profile | undefined;
  readonly opened: SignedCallback;
  readonly facts: CallbackFacts;
}

function describe({ reception, sealer }: InboxParts, { kind, partner, mounted, opened, facts }: Taken): InboxMessage {
  const id = uuidV7();
  const { header, message = {}, signedBy } = opened;
  return {
    id,
    partnerId: partner.id,
    action: kind.action,
    registry: mounted?.registry,
    messageId: header.message_id,
    transactionId: facts.transactionId,
    correlationId: facts.correlationId,
    requestId: undefined,
    status: header.status,
    itemCount: facts.parts.length,
    kid: signedBy.kid,
    dialect: signedBy.dialect,
    isEncrypted: header.is_msg_encrypted === true,
    sealedContent: sealContent(sealer, id, { header, message }),
    receivedAt: new Date(reception.now()),
  };
}

/** A notification is known by the subscription that it names, where it names one. */
function keyOf({ action, answers }: CallbackKind, message: InboxMessage, { header }: SignedCallback): RequestKey {
  const { partnerId, transactionId, correlationId } = message;
  const code = action === 'notify' ? header.meta?.['subscription_code'] : undefined;
  return { partnerId, action: answers, transactionId, correlationId, subscriptionCode: typeof code === 'string' ? code : undefined };
}

/** A peer may give every notification of a subscription the same ids: then the content tells one event from the next. */
function hashRepeat({ action }: CallbackKind, { transactionId, correlationId, parts }: CallbackFacts, message: unknown): Buffer {
  const content = action === 'notify' ? canonicalJson(message) : '';
  return createHash('sha256')
    .update(JSON.stringify([action, transactionId, correlationId ?? '', parts, content]))
    .digest();
}

function acknowledge({ id, correlationId, receivedAt }: InboxMessage): string {
  return JSON.stringify({ message: { ack_status: 'ACK', timestamp: receivedAt.toISOString(), correlation_id: correlationId ?? id } });
}
