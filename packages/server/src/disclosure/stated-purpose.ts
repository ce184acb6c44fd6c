import { DciError, type SearchCriteria } from '@dci/protocol';
import type { Grant } from './grant.ts';

/**
 * For what the records of an item are to be used: as the item states it (`consent.purpose.code` or
 * `authorize.purpose.code`), which must be in the agreement; else the agreement's one purpose. Undefined where neither
 * tells, which is refused where it matters: consent is given for a purpose. Throws `rjct.search_criteria.invalid`.
 */
export function decidePurpose(grant: Grant, criteria: Pick<SearchCriteria, 'consent' | 'authorize'>, pointer: string): string | undefined {
  if (criteria.consent === undefined && criteria.authorize === undefined) return purposeOfAgreement(grant, pointer);
  const stated = (['consent', 'authorize'] as const).flatMap((member) => {
    const code = readCode(criteria[member], `${pointer}/${member}`);
    return code === undefined ? [] : [{ code, pointer: `${pointer}/${member}/purpose/code` }];
  });
  for (const { code, pointer: place } of stated)
    if (!grant.purposes.includes(code)) throw refusal('your agreement does not have this purpose', place);
  const [first, second] = stated;
  if (second !== undefined && second.code !== first?.code) throw refusal('consent and authorize state different purposes', second.pointer);
  return first === undefined ? purposeOfAgreement(grant, pointer) : first.code;
}

function purposeOfAgreement(grant: Grant, pointer: string): string | undefined {
  if (grant.legalBasis.kind === 'consent' && grant.purposes.length > 1)
    throw refusal('state the purpose in consent.purpose.code: your agreement has several', `${pointer}/consent`);
  return grant.purposes.length === 1 ? grant.purposes[0] : undefined;
}

function readCode(stated: unknown, pointer: string): string | undefined {
  if (stated === undefined) return undefined;
  const { purpose } = stated as { readonly purpose?: unknown };
  if (purpose === undefined) return undefined;
  const code = typeof purpose === 'object' && purpose !== null ? (purpose as { readonly code?: unknown }).code : purpose;
  if (typeof code === 'string' && code !== '') return code;
  throw refusal('a purpose has a code', `${pointer}/purpose/code`);
}

function refusal(message: string, pointer: string): DciError {
  return new DciError('rjct.search_criteria.invalid', message, { pointer });
}
