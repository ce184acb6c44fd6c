import { DciError } from '@dci/protocol';
import type { Attribute, IdentifierType, Profile, RecordType } from '../profiles/profile.ts';
import type { FieldUse } from '../registry/search-context.ts';
import type { Partner, RegistryTerms } from '../store/partners.ts';
import { type FieldRule, findFieldRule } from './field-rules.ts';
import { LEGAL_BASIS_KINDS, type LegalBasis } from './legal-basis.ts';
import { readFieldRule } from './read-field-rule.ts';
import { useOf } from './treatment.ts';

/**
 * What one partner may see: the terms of its agreement, decided once for each state of its registration. Without both a
 * legal basis and a rule there is no grant, and so nothing to see.
 */
export interface Grant {
  readonly partnerId: string;
  readonly legalBasis: LegalBasis;
  readonly purposes: readonly string[];
  readonly rule: FieldRule;
  /** By registry; a registry that is not named is open as a whole, where it is open at all. */
  readonly registryTerms: Readonly<Record<string, RegistryTerms>>;
  /** As whom consents may name it: itself, and the classes of recipients it belongs to. */
  readonly recipients: readonly string[];
}

const grants = new WeakMap<Partner, Grant>();

/** Throws `err.request.forbidden` where nobody has said why, or how much, this partner may see. */
export function decideGrant(partner: Partner): Grant {
  const known = grants.get(partner);
  if (known !== undefined) return known;
  const grant = makeGrant(partner);
  grants.set(partner, grant);
  return grant;
}

function makeGrant(partner: Partner): Grant {
  const { legalBasis, purposes } = partner;
  const kind = LEGAL_BASIS_KINDS.find((known) => known === partner.legalBasisKind);
  if (legalBasis === undefined || legalBasis === '' || kind === undefined) throw forbidden('no legal basis is registered for this partner');
  const rule = ruleOf(partner);
  if (rule === undefined) throw forbidden('no field rule is registered for this partner');
  if (kind === 'consent' && purposes.length === 0)
    throw forbidden('no purpose is registered for this partner, and consent is given for a purpose');
  return {
    partnerId: partner.id,
    legalBasis: { kind, text: legalBasis },
    purposes,
    rule,
    registryTerms: partner.registryTerms,
    recipients: recipientsOf(partner),
  };
}

/** The rule of the partner's own, else the ready-made one of that name. */
export function ruleOf({ ownRule, fieldRule }: Pick<Partner, 'ownRule' | 'fieldRule'>): FieldRule | undefined {
  if (fieldRule === undefined) return undefined;
  return ownRule === undefined ? findFieldRule(fieldRule) : readFieldRule(ownRule);
}

/** How consents name a partner. */
export function partnerRecipient(partnerId: string): string {
  return `partner:${partnerId}`;
}

/** How consents name a class of partners. */
export function classRecipient(name: string): string {
  return `class:${name}`;
}

/** All names by which consents may be given to a partner. */
export function recipientsOf({ id, recipientClasses }: Pick<Partner, 'id' | 'recipientClasses'>): readonly string[] {
  return [partnerRecipient(id), ...[...recipientClasses].map(classRecipient)];
}

/** How far a field may be searched and sorted by: its answers would tell what may not be seen. */
export function fieldUse(grant: Grant, profile: Profile, recordType: RecordType, field: Attribute | IdentifierType): FieldUse {
  return isOpen(grant, profile, recordType) ? useOf(grant.rule, profile, recordType, field) : 'closed';
}

/** Whether the agreement covers records of this type. */
export function isOpen(grant: Grant, profile: Profile, recordType: RecordType): boolean {
  const terms = grant.registryTerms[profile.registry];
  return terms?.recordTypes === undefined || terms.recordTypes.includes(recordType.name);
}

function forbidden(reason: string): DciError {
  return new DciError('err.request.forbidden', `${reason}; ask the operator of this registry`);
}
