import { randomUUID } from 'node:crypto';
import { canonicalJson, type ExistsRequest, type ExistsResponse, type ExistsResponseItem, parseExistsRequest } from '@dci/protocol';
import { decideGrant } from '../disclosure/grant.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import { createSyncService, type SyncService, type SyncServiceParts } from './answer-sync.ts';
import type { AnsweredExistence, ExistenceCheck, ExistsOutcome } from './exists.ts';
import { checkHeader, type Sender } from './receive-message.ts';
import { type AuditedItems, describeItems, listAnswered } from './search-audit.ts';
import { answeredItem, countItems, refusedItem, summariseOutcomes } from './search-message.ts';

export interface ExistsServiceParts extends SyncServiceParts {
  readonly exists: ExistenceCheck;
  readonly describeQuery: QueryDescriber;
  /** Takes points beyond the one that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
  /** Takes identifiers of those that the partner may check in a day; throws `err.request.too_many_requests`. */
  readonly chargeIdentifiers: (sender: Sender, identifiers: number) => Promise<void>;
}

const MAX_ITEMS = 100;
/** They are read together, by one statement, and no text of a record with them: much less than as many searches. */
const IDENTIFIERS_A_POINT = 10;

/** The synchronous edge of the existence check. */
export function createExistsService(parts: ExistsServiceParts): SyncService {
  return createSyncService(parts, {
    action: 'exists',
    answeredBy: 'on-exists',
    async answer({ sender, mounted, message, gone }) {
      const { partner } = sender;
      const grant = decideGrant(partner);
      const maxItems = Math.min(partner.limits.itemsPerMessage ?? MAX_ITEMS, MAX_ITEMS);
      checkHeader(parts.reception, message, { action: 'exists', items: countItems(message.message, 'exists_request'), maxItems });
      const request = parseExistsRequest(message.message);
      await parts.charge(sender, existsCost(request) - 1);
      await parts.chargeIdentifiers(
        sender,
        request.exists_request.reduce((sum, item) => sum + item.exists_criteria.identifier_values.length, 0),
      );
      const outcomes = await parts.exists.run({ partner, grant, mounted, request, gone });
      const [transactionId, correlationId] = [request.transaction_id, randomUUID()];
      return {
        header: summariseOutcomes(outcomes),
        entry: describeExists(parts.describeQuery, { grant, transactionId, correlationId, outcomes }),
        write: () => writeExistsMessage({ transaction_id: transactionId, correlation_id: correlationId }, outcomes, parts.reception.now()),
      };
    },
  });
}

/** In points: one for each ten identifiers of an item, or part of them. */
export function existsCost({ exists_request: items }: ExistsRequest): number {
  return items.reduce((sum, item) => sum + Math.ceil(item.exists_criteria.identifier_values.length / IDENTIFIERS_A_POINT), 0);
}

function describeExists(describeQuery: QueryDescriber, audited: AuditedItems<AnsweredExistence>): ReturnType<typeof describeItems> {
  const answered = listAnswered(audited.outcomes).map(({ existence }) => existence);
  return {
    ...describeItems(audited, ({ existence: { plan } }) => ({
      profile: plan.plan.profile,
      query: { ...describeQuery(plan.plan), exists: plan.asked.length },
    })),
    recordCount: answered.reduce((sum, { recordIds }) => sum + recordIds.length, 0),
    disclosed: answered.map(({ plan, recordIds, consentIds }) => ({
      entity: plan.plan.entity.name,
      records: recordIds,
      ...(consentIds.length === 0 ? {} : { consents: consentIds }),
    })),
  };
}

function writeExistsMessage(
  ids: Pick<ExistsResponse, 'transaction_id' | 'correlation_id'>,
  outcomes: readonly ExistsOutcome[],
  now: number,
): string {
  const timestamp = new Date(now).toISOString();
  return canonicalJson({ ...ids, exists_response: outcomes.map((outcome) => writeItem(outcome, timestamp)) });
}

function writeItem(outcome: ExistsOutcome, timestamp: string): ExistsResponseItem {
  if ('refusal' in outcome) return refusedItem(outcome, timestamp);
  const { item, existence } = outcome;
  const { plan, type, asked } = existence.plan;
  return {
    ...answeredItem(item, timestamp),
    status: 'succ',
    data: {
      reg_type: plan.profile.regTypes[0] ?? plan.profile.registry,
      reg_record_type: plan.entity.name,
      identifier_type: type.code,
      identifier_values: [...existence.values],
      asked_count: asked.length,
      found_count: existence.values.length,
    },
  };
}
