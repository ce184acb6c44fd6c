import { ruleOf } from '../disclosure/grant.ts';
import type { Credential } from '../store/credentials.ts';
import type { KeyUse, PartnerKey } from '../store/partner-keys.ts';
import type { PartnerJwks } from '../store/partner-jwks.ts';
import type { StoredPartner } from '../store/partners.ts';
import { describeAgreement } from './agreement-description.ts';

/** A partner as people and programs are told of it; never its secret. */
export interface PartnerAndKeys {
  readonly partner: StoredPartner;
  readonly keys: readonly PartnerKey[];
  readonly jwks: PartnerJwks | undefined;
  readonly credentials: readonly Credential[];
}

export function partnerJson({ partner, keys, jwks, credentials }: PartnerAndKeys): Record<string, unknown> {
  return {
    sender_id: partner.senderId,
    name: partner.name,
    active: partner.active,
    registries: [...partner.registries],
    scopes: [...partner.scopes],
    signature: partner.signaturePolicy,
    dialect: partner.dialect,
    encryption: partner.encryptionPolicy,
    subscriptions: partner.subscriptions,
    lenient: partner.lenient,
    default_entity: partner.defaultEntity ?? null,
    legal_basis: partner.legalBasis ?? null,
    legal_basis_kind: partner.legalBasis === undefined ? null : partner.legalBasisKind,
    purposes: partner.purposes,
    fields: partner.ownRule ?? partner.fieldRule ?? null,
    registry_terms: partner.registryTerms,
    recipient_classes: [...partner.recipientClasses],
    limits: partner.limits,
    allow_callback: partner.callbackPrefixes,
    notify_uri: partner.notifyUri ?? null,
    callback_auth: partner.sealedCallbackAuth !== undefined,
    client_ids: credentials.map(({ clientId }) => clientId),
    keys: keys.map(({ kid, use, algorithm, source, createdAt }) => ({ kid, use, algorithm, source, created_at: createdAt })),
    jwks: jwks === undefined ? null : jwksJson(jwks),
    created_at: partner.createdAt,
    updated_at: partner.updatedAt,
  };
}

export function describePartner({ partner, keys, jwks, credentials }: PartnerAndKeys): string[] {
  return [
    `${partner.senderId} (${partner.name})`,
    `  is ${partner.active ? 'active' : 'not active: it gets no token, and its tokens are not accepted'}`,
    `  was registered ${day(partner.createdAt)}, last changed ${day(partner.updatedAt)}`,
    `  may ask for ${list(partner.scopes)} in the registries ${list(partner.registries)}`,
    ...describeAgreement(partner),
    `  signs its messages ${partner.signaturePolicy === 'required' ? 'always' : 'or not, as it likes'}; ${describeKeys(keys, 'sig')}`,
    `  encrypts its messages ${partner.encryptionPolicy === 'required' ? 'always' : 'or not, as it likes'}; ${describeKeys(keys, 'enc')}`,
    ...(partner.subscriptions === 'approval' ? ['  is told of events once an operator has approved its subscription'] : []),
    ...(jwks === undefined ? [] : [`  publishes its keys at ${jwks.url}: ${describeJwks(jwks)}`]),
    `  is answered in ${partner.dialect === 'as-asked' ? 'the dialect in which it signs' : `the dialect ${partner.dialect}`}`,
    `  is read ${partner.lenient ? 'leniently' : 'strictly'}`,
    ...(partner.defaultEntity === undefined ? [] : [`  is answered in ${partner.defaultEntity} when it does not say`]),
    `  has ${describeLimits(partner)}`,
    `  ${describeCallbacks(partner)}`,
    `  signs in as ${list(credentials.map(({ clientId }) => clientId))}`,
  ];
}

/** What an operator should know before going away. */
export function findGaps(partner: StoredPartner): string[] {
  const gaps: string[] = [];
  const missing = [
    ...(partner.legalBasis === undefined ? ['a legal basis (--legal-basis)'] : []),
    ...(ruleOf(partner) === undefined ? ['a field rule (--fields)'] : []),
    ...(partner.legalBasisKind === 'consent' && partner.purposes.length === 0 ? ['a purpose (--purpose), for which people consent'] : []),
  ];
  if (missing.length > 0) gaps.push(`${partner.senderId} is given nothing until it has ${missing.join(' and ')}`);
  if (partner.keys.size === 0 && partner.signaturePolicy === 'required')
    gaps.push(`every message of ${partner.senderId} is refused until it has a key (--jwks, or --public-key with --key-id)`);
  if (partner.signaturePolicy === 'optional') gaps.push(`messages of ${partner.senderId} without a signature are taken`);
  if (partner.encryptionKeys.size === 0 && partner.encryptionPolicy === 'required')
    gaps.push(`every message of ${partner.senderId} is refused until it has a key to encrypt to (--encryption-key, or --jwks)`);
  if (partner.registries.size === 0 || partner.scopes.size === 0)
    gaps.push(`nothing is open to ${partner.senderId}: it has no registry or no scope`);
  return gaps;
}

function describeKeys(keys: readonly PartnerKey[], use: KeyUse): string {
  const [what, chosen] = [use === 'sig' ? 'it signs with' : 'it is encrypted to', keys.filter((key) => key.use === use)];
  if (chosen.length === 0) return `there is no key that ${what}`;
  return `${what} ${chosen.map(({ kid, algorithm, createdAt }) => `${kid} (${algorithm}, since ${day(createdAt)})`).join(', ')}`;
}

function describeCallbacks({ callbackPrefixes, notifyUri, sealedCallbackAuth }: StoredPartner): string {
  const places = [
    ...(notifyUri === undefined ? [] : [`at ${notifyUri}`]),
    ...(callbackPrefixes.length === 0 ? [] : [`where it says, below ${list(callbackPrefixes)}`]),
  ];
  if (places.length === 0) return 'is not called: what it asks asynchronously it has to ask for again';
  return `is called ${places.join(', or ')}${sealedCallbackAuth === undefined ? '' : ', where we present ourselves with a token'}`;
}

function jwksJson({ url, fetchedAt, usableUntil, attemptedAt, error }: PartnerJwks): Record<string, unknown> {
  return { url, fetched_at: fetchedAt, usable_until: usableUntil, attempted_at: attemptedAt, error };
}

function describeJwks({ fetchedAt, usableUntil, attemptedAt, error }: PartnerJwks): string {
  const fetched = fetchedAt === null ? 'never fetched' : `fetched ${fetchedAt.toISOString()}`;
  const used = usableUntil === null ? 'not used, being too old' : `used until ${usableUntil.toISOString()} should it not answer`;
  return `${fetched}, ${used}${error === null ? '' : `; tried in vain ${attemptedAt?.toISOString()}: ${error}`}`;
}

function describeLimits({ limits }: StoredPartner): string {
  const own = Object.entries(limits).map(([name, value]) => `${name} ${value}`);
  return own.length === 0 ? 'the usual limits' : `limits of its own: ${own.join(', ')}`;
}

function list(entries: Iterable<string>): string {
  return [...entries].join(', ') || 'none';
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
