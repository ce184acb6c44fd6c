import { openCursor } from '../cursor.ts';
import type { SearchPlan } from '../plan.ts';
import { childPointer, findUnknownMember } from '../read-query/json.ts';
import { paginationRefusal, tooManyRefusal } from '../refusal.ts';
import type { Pass, SearchContext } from '../search-context.ts';

/** Settles which page is read: by number, or after the record that a cursor stands for. Last, for a cursor holds for one plan only. */
export const selectPage: Pass = (plan, criteria, context): SearchPlan => {
  const place = childPointer(context.pointer, 'pagination');
  const { page_size: size = plan.page.size, page_number: number, cursor, ...others } = { ...criteria.pagination };
  if (findUnknownMember(others, []) !== undefined) {
    throw paginationRefusal('pagination has page_size, page_number and cursor only', place);
  }
  assertPage(size, context.limits.maxPageSize, childPointer(place, 'page_size'));
  if (number !== undefined) assertPage(number, Number.MAX_SAFE_INTEGER, childPointer(place, 'page_number'));
  const sized = { ...plan, page: { size, number: number ?? 1 } };
  return cursor === undefined
    ? assertReachable(sized, place)
    : continueAfter(sized, cursor, number, context, childPointer(place, 'cursor'));
};

function assertPage(value: unknown, most: number, pointer: string): void {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return;
  throw paginationRefusal(
    most === Number.MAX_SAFE_INTEGER ? 'a whole number from 1 is expected' : `a whole number from 1 to ${most} is expected`,
    pointer,
  );
}

function assertReachable(plan: SearchPlan, pointer: string): SearchPlan {
  if ((plan.page.number - 1) * plan.page.size < plan.maxMatches) return plan;
  throw tooManyRefusal(`pages end after ${plan.maxMatches} records; narrow the search`, pointer);
}

function continueAfter(plan: SearchPlan, cursor: unknown, number: number | undefined, context: SearchContext, pointer: string): SearchPlan {
  const position = typeof cursor === 'string' ? openCursor(cursor, plan, context) : undefined;
  if (position === undefined) throw paginationRefusal('the cursor does not belong to this search', pointer);
  return { ...plan, page: { size: plan.page.size, number: number ?? position.pageNumber, after: position.after } };
}
