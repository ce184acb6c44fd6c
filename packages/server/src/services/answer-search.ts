import { randomUUID } from 'node:crypto';
import { DciError, type HeaderReasonCode, parseSearchRequest, type SearchRequest, type VerifiedMessage } from '@dci/protocol';
import { type AuditLog, type Released, WithheldError } from '../disclosure/audit-log.ts';
import { decideGrant } from '../disclosure/grant.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import type { Profile } from '../profiles/profile.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { checkHeader, type Reception, receiveMessage, type Sender } from './receive-message.ts';
import { decideReplyTerms } from './reply-terms.ts';
import { describeRefusal, describeSearch, describeSender } from './search-audit.ts';
import { summariseOutcomes, tell, writeSearchMessage } from './search-message.ts';
import type { Search } from './search.ts';

/** The synchronous edge of the search: bytes in, a signed and audited answer out. */
export interface SearchService {
  /**
   * @param mounted the registry of the path, where the path names one
   * @throws DciError `err.*`, where the message cannot be taken; its audit row is committed by then
   */
  answer(sender: Sender, mounted: Profile | undefined, bytes: Uint8Array, gone?: AbortSignal): Promise<Released>;
}

export interface SearchServiceParts {
  readonly reception: Reception;
  readonly search: Search;
  readonly audit: AuditLog;
  readonly answers: AnswerWriter;
  readonly describeQuery: QueryDescriber;
  readonly cursorKey: Buffer;
  /** Takes points beyond the one that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

const ACTION = 'on-search';
const MAX_ITEMS = 1_000;
const PAGES = { usual: 20, most: 100 };

export function createSearchService(parts: SearchServiceParts): SearchService {
  const { reception, search, audit, answers } = parts;

  async function answerMessage(
    sender: Sender,
    mounted: Profile | undefined,
    message: VerifiedMessage,
    gone: AbortSignal | undefined,
  ): Promise<Released> {
    const { partner } = sender;
    const grant = decideGrant(partner);
    const terms = decideReplyTerms(partner, message);
    const items = countItems(message.message);
    checkHeader(reception, message, { action: 'search', items, maxItems: partner.limits.itemsPerMessage ?? MAX_ITEMS });
    const request = parseSearchRequest(message.message);
    if (request.search_request.length > 1) await parts.charge(sender, request.search_request.length - 1);
    const outcomes = await search.run({ partner, grant, mounted, request, pages: PAGES, gone });
    const [transactionId, correlationId] = [request.transaction_id, randomUUID()];
    const until = reception.now() / 1000 + 2 * reception.clockToleranceSeconds;
    const entry = {
      ...describeSender(sender, 'search'),
      ...describeSearch(parts.describeQuery, { grant, transactionId, correlationId, outcomes }),
      messageId: message.header.message_id,
      claimUntil: Math.max(until, message.signedBy?.expires ?? 0),
    };
    return await audit.release(entry, () =>
      answers.write(
        { partner, terms },
        { action: ACTION, ...summariseOutcomes(outcomes) },
        writeSearchMessage(
          { transactionId, correlationId, partnerId: partner.id, cursorKey: parts.cursorKey, now: reception.now },
          outcomes,
        ),
      ),
    );
  }

  async function refuseHeader(sender: Sender, message: VerifiedMessage, fault: DciError): Promise<Released> {
    const { partner } = sender;
    const refusal = {
      action: ACTION,
      status: 'rjct',
      reasonCode: fault.code as HeaderReasonCode,
      reasonMessage: tell(fault),
      totalCount: message.header.total_count,
      completedCount: 0,
    } as const;
    return await audit.release(describeRefusal(sender, 'search', fault, message), () =>
      answers.write({ partner, terms: decideReplyTerms(partner, message) }, refusal),
    );
  }

  return {
    async answer(sender, mounted, bytes, gone) {
      let message: VerifiedMessage | undefined;
      try {
        message = await receiveMessage(reception, sender, bytes);
        return await answerMessage(sender, mounted, message, gone);
      } catch (error) {
        const fault = asFault(error);
        if (fault === undefined) throw error;
        if (message !== undefined && fault.code.startsWith('rjct.')) return await refuseHeader(sender, message, fault);
        await audit.release(describeRefusal(sender, 'search', fault, message), async () => '');
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

function countItems(message: unknown): number | undefined {
  const items = (message as Partial<SearchRequest> | null | undefined)?.search_request;
  return Array.isArray(items) ? items.length : undefined;
}
