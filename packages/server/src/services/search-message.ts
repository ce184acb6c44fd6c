import { type DciError, type SearchReasonCode, type WrittenSearchItem, writeSearchResponse } from '@dci/protocol';
import { sealCursor } from '../registry/cursor.ts';
import type { AnswerHeader } from './answer-writer.ts';
import type { SearchOutcome } from './search.ts';

/** From the outcomes of a search to what is sent: the message as canonical text, and what the header says of it. */

export interface SearchMessageTerms {
  readonly transactionId: string;
  readonly correlationId: string;
  readonly partnerId: string;
  readonly cursorKey: Buffer;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export function writeSearchMessage(terms: SearchMessageTerms, outcomes: readonly SearchOutcome[]): string {
  const timestamp = new Date(terms.now()).toISOString();
  return writeSearchResponse({
    transaction_id: terms.transactionId,
    correlation_id: terms.correlationId,
    items: outcomes.map((outcome) => writeItem(terms, timestamp, outcome)),
  });
}

/** How the items went, for the header of an answer. */
export function summariseOutcomes(
  outcomes: readonly object[],
): Pick<AnswerHeader, 'status' | 'reasonCode' | 'reasonMessage' | 'totalCount' | 'completedCount'> {
  const all = outcomes.length;
  const refused = outcomes.filter((outcome) => 'refusal' in outcome).length;
  const counts = { totalCount: all, completedCount: all };
  const reasonMessage = `${refused} of ${all} items refused`;
  if (refused === all) return { ...counts, status: 'rjct', reasonCode: 'rjct.errors.too_many', reasonMessage };
  return { ...counts, status: 'succ', ...(refused > 0 ? { reasonMessage } : {}) };
}

/** A refusal in words for its sender, with the place in the message. */
export function tell(fault: DciError): string {
  return fault.pointer === undefined ? fault.message : `${fault.message} (at ${fault.pointer === '' ? '/' : fault.pointer})`;
}

function writeItem(terms: SearchMessageTerms, timestamp: string, outcome: SearchOutcome): WrittenSearchItem {
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
  const nextCursor = sealCursor(outcome.result, terms);
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
