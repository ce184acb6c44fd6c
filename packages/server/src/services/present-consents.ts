import { DciError, type SearchCriteria } from '@dci/protocol';
import type { Grant } from '../disclosure/grant.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Partner } from '../store/partners.ts';
import type { ConsentTokens } from './consent-tokens.ts';

export interface PresentedConsents {
  readonly partner: Partner;
  readonly grant: Grant;
  readonly items: readonly Presenting[];
  /** The registry of an item; throws the item's refusal. */
  readonly chooseProfile: (criteria: Presenting['criteria'], pointer: string) => Profile;
}

interface Presenting {
  readonly criteria: Pick<SearchCriteria, 'reg_type' | 'consent' | 'authorize'>;
  /** Of the criteria in the message. */
  readonly pointer: string;
}

/** In one message; each costs a signature to verify and a row. */
const MOST_TOKENS = 100;

/**
 * Takes the consent tokens of a message before its records are read. Only where consent is the ground: to others they
 * are nothing. Returns the refusals of items whose token is not good, by their place.
 */
export async function acceptPresentedConsents(
  tokens: ConsentTokens,
  { partner, grant, items, chooseProfile }: PresentedConsents,
): Promise<ReadonlyMap<number, DciError>> {
  const refusals = new Map<number, DciError>();
  if (grant.legalBasis.kind !== 'consent') return refusals;
  let taken = 0;
  for (const [index, item] of items.entries()) {
    try {
      for (const { token, pointer } of listTokens(item)) {
        taken += 1;
        if (taken > MOST_TOKENS) throw refusal(`a message may hold ${MOST_TOKENS} consent tokens`, pointer);
        await tokens.accept(partner, chooseProfile(item.criteria, item.pointer), token, pointer);
      }
    } catch (error) {
      if (!(error instanceof DciError && error.code.startsWith('rjct.'))) throw error;
      refusals.set(index, error);
    }
  }
  return refusals;
}

function listTokens({ criteria, pointer }: Presenting): readonly { token: string; pointer: string }[] {
  return (['authorize', 'consent'] as const).flatMap((member) => {
    const token = criteria[member]?.['consent_jws'];
    if (token === undefined || token === '') return [];
    const place = `${pointer}/${member}/consent_jws`;
    if (typeof token !== 'string') throw refusal('a consent token is text', place);
    return [{ token, pointer: place }];
  });
}

function refusal(message: string, pointer: string): DciError {
  return new DciError('rjct.search_criteria.invalid', message, { pointer });
}
