import { readBody } from '../registry/document.ts';
import { blockKeys } from '../registry/matching/block-keys.ts';
import type { Candidates, MatchPlan } from '../registry/matching/find-candidates.ts';
import { type MatchSubject, readMatchSubject } from '../registry/matching/match-subject.ts';
import { type Match, type MatchBackground, weighMatch } from '../registry/matching/weigh-match.ts';
import type { FoundRecord } from '../registry/plan.ts';
import { type DisclosedResult, disclose, prepareGivenPaths } from './disclose.ts';
import type { Grant } from './grant.ts';
import type { Pseudonyms } from './pseudonyms.ts';

declare const disclosed: unique symbol;

/** Records that seem to be of a person, as this partner is given them, with how they were compared. */
export interface DisclosedMatches {
  readonly [disclosed]: true;
  readonly plan: MatchPlan;
  /** Of each record of `result`, the likeliest first. */
  readonly matches: readonly Match[];
  readonly result: DisclosedResult;
}

/**
 * Compares by nothing but what the partner is given as it is of each record, or the probabilities would tell what may not
 * be seen. A record counts only where it meets the person by those fields alone, too: otherwise that it is told at all would
 * tell of the field by which it was found.
 */
export function discloseMatches(
  grant: Grant,
  { plan, records }: Candidates,
  background: MatchBackground,
  pseudonyms: Pseudonyms,
): DisclosedMatches {
  const isGiven = prepareGivenPaths(grant, plan.plan);
  const compared = records.flatMap((record) => {
    const match = compare(plan, record, isGiven(record), background);
    return match === undefined || match.probability < plan.least ? [] : [{ record, match }];
  });
  const told = compared
    .toSorted((one, other) => other.match.probability - one.match.probability || (one.record.id < other.record.id ? -1 : 1))
    .slice(0, plan.most);
  const result = { plan: plan.plan, records: told.map(({ record }) => record), totalCount: told.length };
  return {
    plan,
    matches: told.map(({ match }) => ({ ...match, probability: round(match.probability) })),
    result: disclose(grant, result, pseudonyms),
  } as unknown as DisclosedMatches;
}

function compare(
  { plan, wanted, keys }: MatchPlan,
  record: FoundRecord,
  isGiven: (path: string) => boolean,
  background: MatchBackground,
): Match | undefined {
  const document = readBody(plan.recordType, record.body);
  const whole = readMatchSubject(plan.recordType, document);
  const given = readMatchSubject(plan.recordType, document, isGiven);
  if (whole === undefined || given === undefined || !meets(keys, whole, given)) return undefined;
  return weighMatch(wanted.subject, given, background);
}

function meets(keys: readonly bigint[], whole: MatchSubject, given: MatchSubject): boolean {
  const [ofWhole, ofGiven] = [new Set(blockKeys(whole)), new Set(blockKeys(given))];
  return keys.some((key) => ofWhole.has(key) && ofGiven.has(key));
}

function round(probability: number): number {
  return Math.round(probability * 10_000) / 10_000;
}
