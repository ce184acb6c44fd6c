import { writeFilter } from './filter-text.ts';
import type { Page, SearchPlan, SearchResult, SortKey } from './plan.ts';
import { openPosition, type Seal, sealPosition } from './sealed-position.ts';
import { describeSight } from './sight.ts';

/**
 * A cursor says after which record the next page begins. It is sealed (AES-256-GCM), so that nothing internal can be read
 * in it and nothing made up is accepted, and bound to partner, query, order and page size: under anything else it does
 * not open. An age in the query binds it to the day as well, for on another day the query means other records.
 */
export interface CursorSettings {
  readonly cursorKey: Buffer;
  readonly partnerId: string;
}

export interface CursorPosition {
  readonly after: NonNullable<Page['after']>;
  /** Number of the page that begins there. */
  readonly pageNumber: number;
}

/** The cursor of the page after `result`, or undefined when that was the last. */
export function sealCursor({ plan, next }: Pick<SearchResult, 'plan' | 'next'>, settings: CursorSettings): string | undefined {
  if (next === undefined) return undefined;
  const position: CursorPosition = { after: next, pageNumber: plan.page.number + 1 };
  return sealPosition(position, sealOf(plan, settings));
}

/** Where the page begins that `cursor` stands for, or undefined when it is not one of this partner's for this search. */
export function openCursor(cursor: string, plan: SearchPlan, settings: CursorSettings): CursorPosition | undefined {
  // Only what `sealCursor` wrote opens.
  return openPosition(cursor, sealOf(plan, settings)) as CursorPosition | undefined;
}

function sealOf(plan: SearchPlan, settings: CursorSettings): Seal {
  return { key: settings.cursorKey, use: 'search', binding: binding(plan, settings) };
}

function binding(plan: SearchPlan, { partnerId }: CursorSettings): unknown {
  return [
    partnerId,
    plan.profile.registry,
    plan.recordType.name,
    plan.entity.name,
    writeFilter(plan.filter),
    plan.sort.map(describeKey),
    plan.page.size,
    ...(plan.sight === undefined ? [] : [describeSight(plan.sight)]),
  ];
}

function describeKey(key: SortKey): unknown {
  return [
    key.recordType.name,
    'attribute' in key.by ? ['attribute', key.by.attribute.name] : ['identifier', key.by.identifierType],
    key.direction,
  ];
}
