import type { ExistencePlan, ExistenceResult } from '../registry/existence.ts';
import { readCover } from './disclose.ts';

declare const disclosed: unique symbol;

/** Which identifiers exist, as it may be told: the identifiers that were asked for, and nothing else of any record. */
export interface DisclosedExistence {
  readonly [disclosed]: true;
  readonly plan: ExistencePlan;
  /** As they were asked for, in that order. */
  readonly values: readonly string[];
  /** What the audit row says of it: ids of the records that were told to be there. */
  readonly recordIds: readonly string[];
  /** Ids of the consents under which that is told, where consent is what allows it. */
  readonly consentIds: readonly string[];
}

/** How many records have an identifier is not told: one that several have exists once. */
export function discloseExistence({ plan, found }: ExistenceResult): DisclosedExistence {
  const there = new Set(found.map(({ value }) => value));
  return {
    plan,
    values: plan.asked.filter(({ value }) => there.has(value)).map(({ written }) => written),
    recordIds: [...new Set(found.map(({ recordId }) => recordId))],
    consentIds: [...new Set(found.flatMap((one) => readCover(one).map(([id]) => id)))],
  } as unknown as DisclosedExistence;
}
