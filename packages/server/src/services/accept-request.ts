import { createHash, randomUUID } from 'node:crypto';
import { canonicalJson, DciError, type VerifiedMessage } from '@dci/protocol';
import { v7 as uuidV7 } from 'uuid';
import type { AuditLog } from '../disclosure/audit-log.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import { enqueueJobs } from '../store/lanes.ts';
import { claimMessageId } from '../store/seen-messages.ts';
import { findTransactionByHash, insertTransaction, keepBegun, type NewTransaction, type Transaction } from '../store/transactions.ts';
import { answerJob } from './answer-request.ts';
import type { AnswerWriter } from './answer-writer.ts';
import type { AsyncAction, BeginWork } from './async-action.ts';
import { chooseCallback } from './callback-address.ts';
import type { JobBell } from './job-bell.ts';
import { readReceived, type Reception, receiveMessage, type Sender } from './receive-message.ts';
import { decideReplyTerms, type ReplyTerms } from './reply-terms.ts';
import { describeRefusal, describeSender } from './search-audit.ts';

/**
 * Takes asynchronous requests. What is acknowledged is committed: the transaction, its job and the message id in one. The
 * same request again, whatever envelope it comes in, is acknowledged alike and done once; any other message with an id that
 * was used before is refused.
 */
export interface RequestAcceptor {
  /**
   * @param mounted the registry of the path, where the path names one
   * @returns the acknowledgement as JSON text
   * @throws DciError where the message is not taken; its audit row is committed by then
   */
  accept(action: AsyncAction, sender: Sender, mounted: Profile | undefined, bytes: Uint8Array): Promise<string>;
}

export interface RequestAcceptorParts {
  readonly db: Db;
  readonly reception: Reception;
  readonly audit: AuditLog;
  readonly bell: JobBell;
  readonly answers: AnswerWriter;
  /** Takes points beyond those that the route costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

export function createRequestAcceptor(parts: RequestAcceptorParts): RequestAcceptor {
  const { db, reception, audit, bell, answers } = parts;

  async function take(
    action: AsyncAction,
    sender: Sender,
    mounted: Profile | undefined,
    message: VerifiedMessage,
    asked: unknown,
  ): Promise<Transaction> {
    const { partner, scopes, remoteAddress } = sender;
    const facts = action.read(message, partner);
    const callbackUrl = chooseCallback(partner, message.header.sender_uri);
    await parts.charge(sender, (facts.points ?? facts.items) - 1);
    const replyTerms = decideReplyTerms(partner, message);
    const transaction: NewTransaction = {
      id: uuidV7(),
      partnerId: partner.id,
      action: action.action,
      registry: mounted?.registry,
      transactionId: facts.transactionId,
      correlationId: randomUUID(),
      requestHash: hashRequest(action, mounted, asked),
      referenceIds: facts.referenceIds,
      request: JSON.stringify(message.message),
      callbackUrl,
      replyTerms: JSON.stringify(replyTerms),
      kid: message.signedBy?.kid,
      remoteAddress,
      receivedAt: new Date(reception.now()),
    };
    const until = reception.now() / 1000 + 2 * reception.clockToleranceSeconds;
    const claim = { messageId: message.header.message_id, until: Math.max(until, message.signedBy?.expires ?? 0) };
    const taken = await write(action, transaction, claim, { partner, scopes, mounted, message, replyTerms });
    bell.ring();
    await audit.release(
      {
        ...describeSender(sender, action.action),
        registry: mounted?.registry ?? '',
        messageId: message.header.message_id,
        transactionId: taken.transactionId,
        correlationId: taken.correlationId,
        purposes: [],
        outcome: 'accepted',
        itemCount: facts.items,
        recordCount: 0,
        disclosed: [],
      },
      async () => '',
    );
    return taken;
  }

  async function write(
    action: AsyncAction,
    transaction: NewTransaction,
    claim: { readonly messageId: string; readonly until: number },
    work: BeginWork,
  ): Promise<Transaction> {
    return await db.transaction().execute(async (database) => {
      const isNew = await insertTransaction(database, transaction);
      const isFresh = await claimMessageId(database, transaction.partnerId, claim.messageId, claim.until);
      if (isNew && !isFresh)
        throw new DciError('rjct.message_id.duplicate', 'another message with this message_id was received before', {
          pointer: '/header/message_id',
        });
      const begun = isNew ? await action.begin?.(database, work) : undefined;
      if (begun !== undefined) await keepBegun(database, transaction.id, begun, action.listCodes?.(begun) ?? []);
      if (isNew) await enqueueJobs(database, [answerJob(action, transaction.partnerId, { transaction: transaction.id })]);
      const taken = await findTransactionByHash(database, transaction.partnerId, transaction.requestHash);
      if (taken === undefined) throw new Error('a transaction vanished while it was taken');
      return taken;
    });
  }

  async function acknowledge(action: AsyncAction, partner: Partner, taken: Transaction): Promise<string> {
    const usual = { ack_status: 'ACK', timestamp: taken.receivedAt.toISOString(), correlation_id: taken.correlationId };
    if (action.acknowledge === undefined || taken.begun === undefined) return JSON.stringify({ message: usual });
    const { header, message } = action.acknowledge(taken.begun);
    // Nobody's data, and an acknowledgement must be readable as one.
    const terms = { ...(taken.replyTerms as ReplyTerms), encrypt: false };
    return await answers.write({ partner, terms }, header, canonicalJson({ ...usual, ...message }));
  }

  return {
    async accept(action, sender, mounted, bytes) {
      let message: VerifiedMessage | undefined;
      try {
        message = await receiveMessage(reception, sender, bytes);
        return await acknowledge(action, sender.partner, await take(action, sender, mounted, message, readAsked(sender, message, bytes)));
      } catch (error) {
        if (!(error instanceof DciError)) throw error;
        await audit.release(describeRefusal(sender, action.action, error, message), async () => '');
        throw nameReason(error);
      }
    },
  };
}

/** The message as it was sent: what lenient reading fills in, such as the time, is another each time. */
function readAsked({ partner }: Sender, { header, message }: VerifiedMessage, bytes: Uint8Array): unknown {
  if (!partner.lenient || header.is_msg_encrypted === true) return message;
  return (readReceived(partner, bytes).value as { readonly message: unknown }).message;
}

/** What makes two requests the same: what is asked, and where; not the envelope. */
function hashRequest(action: AsyncAction, mounted: Profile | undefined, message: unknown): Buffer {
  return createHash('sha256')
    .update(`${action.action} ${mounted?.registry ?? ''} ${canonicalJson(message)}`)
    .digest();
}

/** There is no header to say it in: the text begins with the reason. */
export function nameReason(fault: DciError): DciError {
  if (!fault.code.startsWith('rjct.')) return fault;
  const place = fault.pointer === undefined ? {} : { pointer: fault.pointer };
  return new DciError(fault.code, `${fault.code}: ${fault.message}`, place);
}
