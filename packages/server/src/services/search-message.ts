import { cutReason, type DciError, type SearchReasonCode, type WrittenSearchItem, writeSearchResponse } from '@dci/protocol';
import { sealCursor } from '../registry/cursor.ts';
import type { AnswerHeader } from './answer-writer.ts';
import type { RefusedItem } from './plan-items.ts';
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

/** The number of items in the list of that name, where there is one. */
export function countItems(message: unknown, list: string): number | undefined {
  const items = (message as Readonly<Record<string, unknown>> | null | undefined)?.[list];
  return Array.isArray(items) ? items.length : undefined;
}

interface ItemNames {
  readonly reference_id: string;
  readonly locale?: string | undefined;
}

/** The answer to an item that was refused, the same whatever it asked. */
export function refusedItem({ item, refusal }: RefusedItem<ItemNames>, timestamp: string) {
  return {
    ...answeredItem(item, timestamp),
    status: 'rjct' as const,
    status_reason_code: refusal.code as SearchReasonCode,
    status_reason_message: cutReason(tell(refusal)),
  };
}

/** What every answer to an item begins with. */
export function answeredItem({ reference_id, locale }: ItemNames, timestamp: string) {
  return { reference_id, timestamp, ...(locale === undefined ? {} : { locale }) };
}

function writeItem(terms: SearchMessageTerms, timestamp: string, outcome: SearchOutcome): WrittenSearchItem {
  if ('refusal' in outcome) return refusedItem(outcome, timestamp);
  const { plan, records, totalCount } = outcome.result;
  const nextCursor = sealCursor(outcome.result, terms);
  return {
    ...answeredItem(outcome.item, timestamp),
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
