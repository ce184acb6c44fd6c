import { createHash } from 'node:crypto';
import { canonicalJson } from '@dci/protocol';
import type { StoredExtract } from '../store/extracts.ts';
import type { Partner } from '../store/partners.ts';

/** What of a partner decides what an extract of a registry holds, as a text that two share only if it is the same. */
export function digestTerms(partner: Partner, registry: string): string {
  const { legalBasis, legalBasisKind, purposes, fieldRule, ownRule, registryTerms, recipientClasses, limits } = partner;
  const decisive = {
    legalBasis: legalBasis ?? null,
    legalBasisKind,
    purposes,
    fieldRule: fieldRule ?? null,
    ownRule: ownRule ?? null,
    registryTerms: registryTerms[registry] ?? null,
    recipientClasses: [...recipientClasses].toSorted(),
    threshold: limits.statisticsThreshold ?? null,
  };
  return createHash('sha256').update(canonicalJson(decisive)).digest('base64url');
}

/** Whether the partner may still have what was made for it: under the same terms, and for a key that is still its own. */
export function isStillOpen({ partnerId, registry, terms, kid }: StoredExtract, partner: Partner): boolean {
  return (
    partner.id === partnerId &&
    partner.active &&
    partner.scopes.has('registry/export') &&
    partner.registries.has(registry) &&
    partner.encryptionKeys.has(kid) &&
    terms === digestTerms(partner, registry)
  );
}
