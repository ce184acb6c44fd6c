import { randomUUID } from 'node:crypto';
import {
  DciError,
  type HeaderReasonCode,
  parseSearchRequest,
  type SearchItem,
  type SearchReasonCode,
  type SearchRequest,
  type VerifiedMessage,
  type WrittenSearchItem,
  writeSearchResponse,
} from '@dci/protocol';
import { type AuditLog, type Released, WithheldError } from '../disclosure/audit-log.ts';
import { type DisclosedResult, disclose } from '../disclosure/disclose.ts';
import { decideGrant, type Grant, mayUse } from '../disclosure/grant.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import type { Profile } from '../profiles/profile.ts';
import { findProfile, findProfileByRegType } from '../profiles/index.ts';
import type { SearchPlan } from '../registry/plan.ts';
import { sealCursor } from '../registry/cursor.ts';
import { type Execution, executeSearches } from '../registry/execute.ts';
import { createLanes } from '../registry/lanes.ts';
import { openMessageBudget } from '../registry/message-budget.ts';
import type { Reader } from '../registry/reader.ts';
import { planSearch } from '../registry/search.ts';
import type { AuditEntry } from '../store/audit.ts';
import type { AnswerWriter } from './answer-writer.ts';
import { checkHeader, type Reception, receiveMessage, type Sender } from './receive-message.ts';

/**
 * The synchronous search: bytes in, a signed and audited answer out. Items are planned one by one, so that one that cannot
 * be served does not harm the others, and read together.
 */
export interface SearchService {
  /**
   * @param mounted the registry of the path, where the path names one
   * @throws DciError `err.*`, where the message cannot be taken; its audit row is committed by then
   */
  answer(sender: Sender, mounted: Profile | undefined, bytes: Uint8Array, gone?: AbortSignal): Promise<Released>;
}

export interface SearchServiceParts {
  readonly reception: Reception;
  readonly profiles: readonly Profile[];
  readonly defaultRegistry: string;
  readonly reader: Reader;
  readonly audit: AuditLog;
  readonly answers: AnswerWriter;
  readonly describeQuery: QueryDescriber;
  readonly cursorKey: Buffer;
  /** Takes points beyond the one that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

type Answered = { readonly item: SearchItem; readonly result: DisclosedResult };
type Refused = { readonly item: SearchItem; readonly refusal: DciError };
type Outcome = Answered | Refused;

const ACTION = 'on-search';
const MAX_ITEMS = 1_000;
const DEFAULT_PAGE_SIZE = 20;
const MAX_PAGE_SIZE = 100;
const MAX_MATCHES = 100_000;
/** Of one partner, at a time; look-ups by identifier do not count. */
const SEARCHES_SIDE_BY_SIDE = 2;
const MESSAGE_LIMITS = { milliseconds: 10_000, records: 20_000, characters: 32_000_000 };
const QUERY_LIMITS = { maxTerms: 50, maxDepth: 12, maxListValues: 1_000 };

export function createSearchService(parts: SearchServiceParts): SearchService {
  const { reception, audit, answers } = parts;
  const lanes = createLanes(SEARCHES_SIDE_BY_SIDE);

  async function answerMessage(
    sender: Sender,
    mounted: Profile | undefined,
    message: VerifiedMessage,
    gone: AbortSignal | undefined,
  ): Promise<Released> {
    const { partner } = sender;
    const grant = decideGrant(partner);
    const items = countItems(message.message);
    checkHeader(reception, message, { action: 'search', items, maxItems: partner.limits.itemsPerMessage ?? MAX_ITEMS });
    const request = parseSearchRequest(message.message);
    if (request.search_request.length > 1) await parts.charge(sender, request.search_request.length - 1);
    const outcomes = await searchItems(parts, sender, grant, mounted, request, {
      budget: openMessageBudget(MESSAGE_LIMITS, () => performance.now()),
      inTurn: (work) => lanes.run(partner.id, work),
      gone,
    });
    const correlationId = randomUUID();
    const entry = describeAnswer(parts, sender, grant, message, request, correlationId, outcomes);
    return await audit.release(entry, () => writeAnswer(parts, sender, request, correlationId, outcomes));
  }

  async function refuseHeader(sender: Sender, message: VerifiedMessage, fault: DciError): Promise<Released> {
    const entry = describeRefusal(sender, fault, message);
    return await audit.release(entry, () =>
      answers.write({
        action: ACTION,
        receiverId: sender.partner.senderId,
        status: 'rjct',
        reasonCode: fault.code as HeaderReasonCode,
        reasonMessage: tell(fault),
        totalCount: message.header.total_count,
        completedCount: 0,
      }),
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
        await audit.release(describeRefusal(sender, fault, message), async () => '');
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

async function searchItems(
  parts: SearchServiceParts,
  sender: Sender,
  grant: Grant,
  mounted: Profile | undefined,
  request: SearchRequest,
  execution: Execution,
): Promise<Outcome[]> {
  const seen = new Set<string>();
  const planned = request.search_request.map((item, index): Refused | { item: SearchItem; plan: SearchPlan } => {
    try {
      const pointer = `/message/search_request/${index}`;
      if (seen.has(item.reference_id))
        throw new DciError('rjct.reference_id.duplicate', 'another item of this message has the same reference_id', {
          pointer: `${pointer}/reference_id`,
        });
      seen.add(item.reference_id);
      return { item, plan: planItem(parts, sender, grant, mounted, item, `${pointer}/search_criteria`) };
    } catch (error) {
      return { item, refusal: itemRefusal(error) };
    }
  });
  const plans = planned.flatMap((entry) => ('plan' in entry ? [entry.plan] : []));
  const results = await executeSearches(parts.reader, plans, execution);
  let next = 0;
  return planned.map((entry): Outcome => {
    if ('refusal' in entry) return entry;
    const result = results[next++];
    if (result === undefined) throw new Error('a search was planned and not executed');
    return result instanceof DciError ? { item: entry.item, refusal: result } : { item: entry.item, result: disclose(grant, result) };
  });
}

function itemRefusal(error: unknown): DciError {
  if (error instanceof DciError && error.code.startsWith('rjct.')) return error;
  throw error;
}

function planItem(
  parts: SearchServiceParts,
  sender: Sender,
  grant: Grant,
  mounted: Profile | undefined,
  item: SearchItem,
  pointer: string,
): SearchPlan {
  const { partner } = sender;
  const profile = chooseProfile(parts, sender, mounted, item, pointer);
  return planSearch(item.search_criteria, {
    profile,
    partnerId: partner.id,
    ...(partner.defaultEntity === undefined ? {} : { defaultEntity: partner.defaultEntity }),
    mayUse: (recordType, what) => mayUse(grant, recordType, what),
    limits: {
      defaultPageSize: Math.min(DEFAULT_PAGE_SIZE, partner.limits.pageSize ?? MAX_PAGE_SIZE),
      maxPageSize: partner.limits.pageSize ?? MAX_PAGE_SIZE,
      maxMatches: partner.limits.maxMatches ?? MAX_MATCHES,
      ...QUERY_LIMITS,
    },
    cursorKey: parts.cursorKey,
    today: new Date(parts.reception.now()).toISOString().slice(0, 10),
    pointer,
  });
}

/** The registry an item asks: of the path, else of its `reg_type`, else the default; among those open to the partner. */
function chooseProfile(
  parts: SearchServiceParts,
  { partner }: Sender,
  mounted: Profile | undefined,
  item: SearchItem,
  pointer: string,
): Profile {
  const regType = item.search_criteria.reg_type;
  const named = regType === undefined ? undefined : findProfileByRegType(parts.profiles, regType);
  const chosen = mounted ?? (regType === undefined ? findProfile(parts.profiles, parts.defaultRegistry) : named);
  if (chosen === undefined || (named !== chosen && regType !== undefined) || !partner.registries.has(chosen.registry))
    throw new DciError('rjct.search_criteria.invalid', 'reg_type does not name a registry that is open to you on this path', {
      pointer: `${pointer}/reg_type`,
    });
  return chosen;
}

function tell(fault: DciError): string {
  return fault.pointer === undefined ? fault.message : `${fault.message} (at ${fault.pointer === '' ? '/' : fault.pointer})`;
}

function writeAnswer(
  parts: SearchServiceParts,
  { partner }: Sender,
  request: SearchRequest,
  correlationId: string,
  outcomes: readonly Outcome[],
): Promise<string> {
  const timestamp = new Date(parts.reception.now()).toISOString();
  const messageText = writeSearchResponse({
    transaction_id: request.transaction_id,
    correlation_id: correlationId,
    items: outcomes.map((outcome) => answerItem(parts, partner.id, timestamp, outcome)),
  });
  const refused = outcomes.filter((outcome) => 'refusal' in outcome).length;
  const all = outcomes.length;
  return parts.answers.write(
    {
      action: ACTION,
      receiverId: partner.senderId,
      totalCount: all,
      completedCount: all,
      ...(refused === all
        ? { status: 'rjct', reasonCode: 'rjct.errors.too_many', reasonMessage: `${refused} of ${all} items refused` }
        : refused > 0
          ? { status: 'succ', reasonMessage: `${refused} of ${all} items refused` }
          : { status: 'succ' }),
    },
    messageText,
  );
}

function answerItem(parts: SearchServiceParts, partnerId: string, timestamp: string, outcome: Outcome): WrittenSearchItem {
  const { item } = outcome;
  const common = {
    reference_id: item.reference_id,
    timestamp,
    ...(item.locale === undefined ? {} : { locale: item.locale }),
  };
  if ('refusal' in outcome)
    return {
      ...common,
      status: 'rjct',
      status_reason_code: outcome.refusal.code as SearchReasonCode,
      status_reason_message: tell(outcome.refusal),
    };
  const { plan, records, totalCount } = outcome.result;
  const nextCursor = sealCursor(outcome.result, { partnerId, cursorKey: parts.cursorKey });
  return {
    ...common,
    status: 'succ',
    reg_type: plan.profile.regTypes[0] ?? plan.profile.registry,
    reg_record_type: plan.entity.name,
    records,
    pagination: {
      page_size: plan.page.size,
      page_number: plan.page.number,
      total_count: totalCount,
      ...(nextCursor === undefined ? {} : { next_cursor: nextCursor }),
    },
  };
}

function describeAnswer(
  parts: SearchServiceParts,
  sender: Sender,
  grant: Grant,
  message: VerifiedMessage,
  request: SearchRequest,
  correlationId: string,
  outcomes: readonly Outcome[],
): AuditEntry {
  const answered = outcomes.flatMap((outcome) => ('result' in outcome ? [outcome.result] : []));
  const until = parts.reception.now() / 1000 + 2 * parts.reception.clockToleranceSeconds;
  return {
    ...describeSender(sender),
    registry: [...new Set(answered.map((result) => result.plan.profile.registry))].join(' '),
    messageId: message.header.message_id,
    claimUntil: Math.max(until, message.signedBy?.expires ?? 0),
    transactionId: request.transaction_id,
    correlationId,
    legalBasis: grant.legalBasis,
    purposes: grant.purposes,
    fieldRule: grant.rule.name,
    outcome: answered.length > 0 ? 'answered' : 'rjct.errors.too_many',
    query: JSON.stringify(
      outcomes.map((outcome) => ('result' in outcome ? parts.describeQuery(outcome.result.plan) : { refused: outcome.refusal.code })),
    ),
    itemCount: outcomes.length,
    recordCount: answered.reduce((sum, result) => sum + result.records.length, 0),
    disclosed: JSON.stringify(answered.map((result) => ({ entity: result.plan.entity.name, records: result.recordIds }))),
  };
}

function describeRefusal(sender: Sender, fault: DciError, message: VerifiedMessage | undefined): AuditEntry {
  return {
    ...describeSender(sender),
    registry: '',
    messageId: message?.header.message_id ?? '',
    purposes: [],
    outcome: fault.code,
    itemCount: 0,
    recordCount: 0,
    disclosed: '[]',
  };
}

function describeSender({
  partner,
  remoteAddress,
}: Sender): Pick<AuditEntry, 'partnerId' | 'partnerRevision' | 'senderId' | 'remoteAddress' | 'action'> {
  return { partnerId: partner.id, partnerRevision: partner.revision, senderId: partner.senderId, remoteAddress, action: 'search' };
}
