import { DciError, type HeaderReasonCode, type VerifiedMessage } from '@dci/protocol';
import { type AuditLog, type Released, WithheldError } from '../disclosure/audit-log.ts';
import type { Profile } from '../profiles/profile.ts';
import type { AuditEntry } from '../store/audit.ts';
import type { AnswerHeader, AnswerWriter } from './answer-writer.ts';
import { type Reception, receiveMessage, type Sender } from './receive-message.ts';
import { decideReplyTerms } from './reply-terms.ts';
import { type AuditedSender, describeRefusal, describeSent } from './search-audit.ts';
import { tell } from './search-message.ts';

/**
 * The synchronous edge of an action: bytes in, a signed and audited answer out. Faults of the header are answered by an
 * envelope that says so; whatever else is wrong with the message is thrown, its audit row committed.
 */
export interface SyncService {
  /**
   * @param mounted the registry of the path, where the path names one
   * @throws DciError `err.*`, where the message cannot be taken; its audit row is committed by then
   */
  answer(sender: Sender, mounted: Profile | undefined, bytes: Uint8Array, gone?: AbortSignal): Promise<Released>;
}

export interface SyncAction {
  readonly action: string;
  readonly answeredBy: string;
  /** Throws a `DciError`: `rjct.*` for faults of the header, `err.*` for all others. */
  answer(asked: AskedNow): Promise<SyncAnswer>;
}

export interface AskedNow {
  readonly sender: Sender;
  readonly mounted: Profile | undefined;
  readonly message: VerifiedMessage;
  /** Whoever asked has gone: nothing more is read for him. */
  readonly gone: AbortSignal | undefined;
}

export interface SyncAnswer {
  readonly header: Omit<AnswerHeader, 'action'>;
  /** The message as canonical JSON; made while the audit row is committed. */
  readonly write: () => string;
  readonly entry: AuditedAnswer;
}

/** What the audit trail says of an answer, beside to whom it went. */
export type AuditedAnswer = Omit<AuditEntry, keyof AuditedSender | 'messageId' | 'claimUntil'>;

export interface SyncServiceParts {
  readonly reception: Reception;
  readonly audit: AuditLog;
  readonly answers: AnswerWriter;
}

export function createSyncService({ reception, audit, answers }: SyncServiceParts, action: SyncAction): SyncService {
  async function answerMessage(asked: AskedNow): Promise<Released> {
    const { sender, message } = asked;
    const { partner } = sender;
    const terms = decideReplyTerms(partner, message);
    const answer = await action.answer(asked);
    const until = reception.now() / 1000 + 2 * reception.clockToleranceSeconds;
    const claimUntil = Math.max(until, message.signedBy?.expires ?? 0);
    const entry = describeSent(sender, action.action, { ...answer.entry, messageId: message.header.message_id, claimUntil });
    return await audit.release(entry, () =>
      answers.write({ partner, terms }, { action: action.answeredBy, ...answer.header }, answer.write()),
    );
  }

  async function refuseHeader(sender: Sender, message: VerifiedMessage, fault: DciError): Promise<Released> {
    const { partner } = sender;
    const refusal = {
      action: action.answeredBy,
      status: 'rjct',
      reasonCode: fault.code as HeaderReasonCode,
      reasonMessage: tell(fault),
      totalCount: message.header.total_count,
      completedCount: 0,
    } as const;
    return await audit.release(describeRefusal(sender, action.action, fault, message), () =>
      answers.write({ partner, terms: decideReplyTerms(partner, message) }, refusal),
    );
  }

  return {
    async answer(sender, mounted, bytes, gone) {
      let message: VerifiedMessage | undefined;
      try {
        message = await receiveMessage(reception, sender, bytes);
        return await answerMessage({ sender, mounted, message, gone });
      } catch (error) {
        const fault = asFault(error);
        if (fault === undefined) throw error;
        if (message !== undefined && fault.code.startsWith('rjct.')) return await refuseHeader(sender, message, fault);
        await audit.release(describeRefusal(sender, action.action, fault, message), async () => '');
        throw fault;
      }
    },
  };
}

function asFault(error: unknown): DciError | undefined {
  if (error instanceof DciError) return error;
  if (!(error instanceof WithheldError)) return undefined;
  if (error.verdict === 'duplicate')
    return new DciError('rjct.message_id.duplicate', 'a message with this message_id was received before; each message needs a new one', {
      pointer: '/header/message_id',
    });
  return new DciError('err.service.unavailable', 'the registration of this partner has just changed; send the message again');
}
