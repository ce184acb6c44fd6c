import { randomUUID } from 'node:crypto';
import { canonicalJson, type MatchResponse, type MatchResponseItem, parseMatchRequest, type PersonMatch } from '@dci/protocol';
import { decideGrant } from '../disclosure/grant.ts';
import { createSyncService, type SyncService, type SyncServiceParts } from './answer-sync.ts';
import type { AnsweredMatch, MatchOutcome, PersonMatching } from './match.ts';
import { checkHeader, type Sender } from './receive-message.ts';
import { type AuditedItems, describeDisclosed, describeItems, listAnswered } from './search-audit.ts';
import { answeredItem, countItems, refusedItem, summariseOutcomes } from './search-message.ts';

export interface MatchServiceParts extends SyncServiceParts {
  readonly match: PersonMatching;
  /** Takes points beyond those that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
  /** Takes identifiers of those that the partner may check in a day; throws `err.request.too_many_requests`. */
  readonly chargeIdentifiers: (sender: Sender, identifiers: number) => Promise<void>;
}

const MAX_ITEMS = 20;
/** Each reads hundreds of records and compares them. */
const POINTS_AN_ITEM = 10;

/** The synchronous edge of the match of persons. */
export function createMatchService(parts: MatchServiceParts): SyncService {
  return createSyncService(parts, {
    action: 'match',
    answeredBy: 'on-match',
    async answer({ sender, mounted, message, gone }) {
      const { partner } = sender;
      const grant = decideGrant(partner);
      const maxItems = Math.min(partner.limits.itemsPerMessage ?? MAX_ITEMS, MAX_ITEMS);
      checkHeader(parts.reception, message, { action: 'match', items: countItems(message.message, 'match_request'), maxItems });
      const request = parseMatchRequest(message.message);
      const items = request.match_request.length;
      await parts.charge(sender, (items - 1) * POINTS_AN_ITEM);
      await parts.chargeIdentifiers(sender, items);
      const outcomes = await parts.match.run({ partner, grant, mounted, request, gone });
      const [transactionId, correlationId] = [request.transaction_id, randomUUID()];
      return {
        header: summariseOutcomes(outcomes),
        entry: describeMatches({ grant, transactionId, correlationId, outcomes }),
        write: () => writeMatchMessage({ transaction_id: transactionId, correlation_id: correlationId }, outcomes, parts.reception.now()),
      };
    },
  });
}

/** What was known of the person is told by the names of its fields alone. */
function describeMatches(audited: AuditedItems<AnsweredMatch>): ReturnType<typeof describeItems> {
  const results = listAnswered(audited.outcomes).map(({ matched }) => matched.result);
  return {
    ...describeItems(audited, ({ matched: { plan } }) => ({
      profile: plan.plan.profile,
      query: {
        registry: plan.plan.profile.registry,
        entity: plan.plan.entity.name,
        match: { fields: plan.wanted.paths, least: plan.least, most: plan.most },
      },
    })),
    recordCount: results.reduce((sum, { records }) => sum + records.length, 0),
    disclosed: describeDisclosed(results),
  };
}

function writeMatchMessage(
  ids: Pick<MatchResponse, 'transaction_id' | 'correlation_id'>,
  outcomes: readonly MatchOutcome[],
  now: number,
): string {
  const timestamp = new Date(now).toISOString();
  return canonicalJson({ ...ids, match_response: outcomes.map((outcome) => writeItem(outcome, timestamp)) });
}

function writeItem(outcome: MatchOutcome, timestamp: string): MatchResponseItem {
  if ('refusal' in outcome) return refusedItem(outcome, timestamp);
  const { plan, matches, result } = outcome.matched;
  return {
    ...answeredItem(outcome.item, timestamp),
    status: 'succ',
    data: {
      reg_type: plan.plan.profile.regTypes[0] ?? plan.plan.profile.registry,
      reg_record_type: plan.plan.entity.name,
      matches: result.records.map((record, index): PersonMatch => {
        const { probability = 0, evidence = [] } = matches[index] ?? {};
        return { probability, evidence: [...evidence], record: JSON.parse(record) as PersonMatch['record'] };
      }),
    },
  };
}
