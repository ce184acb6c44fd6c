import { DciError } from '@dci/protocol';
import type { Attribute, IdentifierType, RecordType } from '../profiles/profile.ts';
import type { Partner } from '../store/partners.ts';
import { type FieldRule, findFieldRule, givesClass, givesField } from './field-rules.ts';

/**
 * What one partner may see, decided once for a message: the legal basis, the purposes and the field rule of its
 * registration. Without both a basis and a rule there is no grant, and so nothing to see.
 */
export interface Grant {
  readonly partnerId: string;
  readonly legalBasis: string;
  readonly purposes: readonly string[];
  readonly rule: FieldRule;
}

/** Throws `err.request.forbidden` where nobody has said why, or how much, this partner may see. */
export function decideGrant(partner: Partner): Grant {
  const { legalBasis, fieldRule, purposes } = partner;
  if (legalBasis === undefined || legalBasis === '')
    throw new DciError('err.request.forbidden', 'no legal basis is registered for this partner; ask the operator of this registry');
  const rule = fieldRule === undefined ? undefined : findFieldRule(fieldRule);
  if (rule === undefined)
    throw new DciError('err.request.forbidden', 'no field rule is registered for this partner; ask the operator of this registry');
  return { partnerId: partner.id, legalBasis, purposes, rule };
}

/** A field that may not be seen may not be searched or sorted by either: its answers would tell it. */
export function mayUse(grant: Grant, recordType: RecordType, what: Attribute | IdentifierType): boolean {
  return 'path' in what ? givesField(grant.rule, recordType, what.path) : givesIdentifierType(grant, what);
}

/** Whether identifiers of this type are given. One that the profile does not know is given by `full` only. */
export function givesIdentifierType(grant: Grant, type: IdentifierType | undefined): boolean {
  return givesClass(grant.rule, type && (type.sensitivity ?? 'identifier'));
}
