import type { MatchItem, MatchRequest } from '@dci/protocol';
import { isGivenUnder } from '../disclosure/disclose.ts';
import { discloseMatches, type DisclosedMatches } from '../disclosure/disclose-matches.ts';
import type { Pseudonyms } from '../disclosure/pseudonyms.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import { createLanes } from '../registry/lanes.ts';
import { findCandidates, planMatch } from '../registry/matching/find-candidates.ts';
import { loadMatchBackground } from '../registry/matching/match-background.ts';
import type { MatchBackground } from '../registry/matching/weigh-match.ts';
import { openMessageBudget } from '../registry/message-budget.ts';
import type { Reader } from '../registry/reader.ts';
import type { Db } from '../store/database.ts';
import { answerPlanned, type Asker, type CriteriaParts, planCriteria, type RefusedItem } from './plan-items.ts';

/** Which records seem to be of a person: the items of a request, each answered or refused. */
export interface PersonMatching {
  run(asked: AskedMatches): Promise<MatchOutcome[]>;
}

export interface AskedMatches extends Asker {
  readonly request: MatchRequest;
  /** Whoever asked has gone: nothing more is read for him. */
  readonly gone?: AbortSignal | undefined;
}

export type MatchOutcome = AnsweredMatch | RefusedItem<MatchItem>;

export interface AnsweredMatch {
  readonly item: MatchItem;
  readonly purpose: string | undefined;
  readonly matched: DisclosedMatches;
}

export interface MatchingParts extends CriteriaParts {
  readonly reader: Reader;
  readonly db: Db;
  readonly pseudonyms: Pseudonyms;
}

/** Of one partner, at a time. */
const MATCHES_SIDE_BY_SIDE = 2;
const MESSAGE_LIMITS = { milliseconds: 10_000, records: 0, characters: 0 };
/** Who asks after a person has reason to think that he is there. */
export const EXPECTATION = 0.5;
/** A name that fewer persons have counts like one that so many have: weights tell nothing of a few. */
export const LEAST_BEARERS = 10;
const BACKGROUND_MS = 60_000;

export function createPersonMatching(parts: MatchingParts): PersonMatching {
  const lanes = createLanes(MATCHES_SIDE_BY_SIDE);
  const findBackground = keepBackgrounds(parts);
  return {
    async run(asked) {
      const { grant, partner, gone } = asked;
      const list = {
        items: asked.request.match_request,
        names: ['match_request', 'match_criteria'],
        criteriaOf: (item: MatchItem) => item.match_criteria,
      } as const;
      const planned = await planCriteria(parts, asked, list, (criteria, context) =>
        planMatch(criteria, context, (recordType) => isGivenUnder(grant, context.profile, recordType)),
      );
      const budget = openMessageBudget(MESSAGE_LIMITS, () => performance.now());
      return await answerPlanned(planned, (plan) =>
        lanes.run(partner.id, async () => {
          budget.assertLeft();
          const candidates = await findCandidates(parts.reader, plan, gone);
          const background = await findBackground(plan.plan.profile, plan.plan.recordType);
          return { matched: discloseMatches(grant, candidates, background, parts.pseudonyms) };
        }),
      );
    },
  };
}

/** How common names are changes slowly. */
function keepBackgrounds({ db, now }: MatchingParts): (profile: Profile, recordType: RecordType) => Promise<MatchBackground> {
  const known = new Map<RecordType, { readonly until: number; readonly background: Promise<MatchBackground> }>();
  return async (profile, recordType) => {
    const found = known.get(recordType);
    if (found !== undefined && now() < found.until) return await found.background;
    const background = loadMatchBackground(db, profile, recordType, EXPECTATION, LEAST_BEARERS);
    known.set(recordType, { until: now() + BACKGROUND_MS, background });
    background.catch(() => known.delete(recordType));
    return await background;
  };
}
