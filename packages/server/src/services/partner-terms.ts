import { LEAST_THRESHOLD } from '../disclosure/tell-cells.ts';
import { FIELD_RULES, findFieldRule } from '../disclosure/field-rules.ts';
import { type LegalBasis, LEGAL_BASIS_KINDS, parseLegalBasis } from '../disclosure/legal-basis.ts';
import { findEntity, findProfile } from '../profiles/index.ts';
import type { Profile } from '../profiles/profile.ts';
import {
  type EncryptionPolicy,
  type OwnFieldRule,
  PARTNER_DIALECTS,
  PARTNER_LIMITS,
  type PartnerDialect,
  type PartnerLimit,
  type PartnerLimits,
  type PartnerTerms,
  type RegistryTerms,
  type SignaturePolicy,
  SUBSCRIPTION_POLICIES,
  type SubscriptionPolicy,
} from '../store/partners.ts';
import { readNotifyUri, readPrefixes } from './callback-terms.ts';
import { checkAgreement } from './check-agreement.ts';
import { isScope, SCOPES } from './scopes.ts';

/** What an operator writes about a partner. Absent: stays as it is. Empty text: is taken away. */
export interface TermChanges {
  readonly name?: string;
  /** Names or aliases. */
  readonly registries?: readonly string[];
  readonly scopes?: readonly string[];
  readonly signature?: string;
  readonly dialect?: string;
  readonly encryption?: string;
  readonly lenient?: boolean;
  readonly active?: boolean;
  readonly defaultEntity?: string;
  /** `KIND: text`, or a text alone (`disclosure/legal-basis.ts`). */
  readonly legalBasis?: string;
  readonly purposes?: readonly string[];
  /** Name of a ready-made field rule, or a rule of its own. */
  readonly fields?: string | OwnFieldRule;
  readonly registryTerms?: Readonly<Record<string, RegistryTerms>>;
  readonly recipientClasses?: readonly string[];
  /** By name; undefined puts the server's limit back. */
  readonly limits?: Readonly<Record<string, number | undefined>>;
  readonly subscriptions?: string;
  readonly callbackPrefixes?: readonly string[];
  readonly notifyUri?: string;
  /** Of no bytes: is taken away. */
  readonly sealedCallbackAuth?: Buffer;
}

/** What was written cannot be registered; one line a problem. */
export class RegistrationError extends Error {
  override readonly name = 'RegistrationError';

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
  }
}

/** The terms of a partner of whom nothing was said: nothing is open to it. */
export const NO_TERMS: Omit<PartnerTerms, 'name'> = {
  active: true,
  registries: new Set(),
  scopes: new Set(),
  signaturePolicy: 'required',
  dialect: 'as-asked',
  encryptionPolicy: 'optional',
  lenient: false,
  legalBasisKind: 'law',
  purposes: [],
  registryTerms: {},
  recipientClasses: new Set(),
  limits: {},
  subscriptions: 'automatic',
  callbackPrefixes: [],
};

const LONGEST_TEXT = 500;

/** Throws a `RegistrationError` that names everything that is wrong with `changes`. */
export function changeTerms(profiles: readonly Profile[], present: PartnerTerms, changes: TermChanges): PartnerTerms {
  const problems: string[] = [];
  const note = (problem: string): void => void problems.push(problem);
  const registries = changes.registries === undefined ? present.registries : readRegistries(profiles, changes.registries, note);
  const terms: PartnerTerms = {
    name: readText('the name', changes.name, note) ?? present.name,
    active: changes.active ?? present.active,
    registries,
    scopes: changes.scopes === undefined ? present.scopes : readScopes(changes.scopes, note),
    signaturePolicy: readPolicy('the signature', changes.signature, note) ?? present.signaturePolicy,
    dialect: readDialect(changes.dialect, note) ?? present.dialect,
    encryptionPolicy: readPolicy('encryption', changes.encryption, note) ?? present.encryptionPolicy,
    lenient: changes.lenient ?? present.lenient,
    defaultEntity: changed(present.defaultEntity, readEntity(profiles, registries, changes.defaultEntity, note)),
    ...readBasis(present, changes.legalBasis, note),
    purposes: changes.purposes === undefined ? present.purposes : readPurposes(changes.purposes, note),
    ...readFieldRule(present, changes.fields, note),
    registryTerms: keepKnown(changes.registryTerms ?? present.registryTerms, profiles, registries),
    recipientClasses: changes.recipientClasses === undefined ? present.recipientClasses : readClasses(changes.recipientClasses, note),
    limits: { ...present.limits, ...readLimits(changes.limits ?? {}, note) },
    subscriptions: readSubscriptions(changes.subscriptions, note) ?? present.subscriptions,
    callbackPrefixes: changes.callbackPrefixes === undefined ? present.callbackPrefixes : readPrefixes(changes.callbackPrefixes, note),
    notifyUri: changed(present.notifyUri, readNotifyUri(changes.notifyUri, note)),
    sealedCallbackAuth: changes.sealedCallbackAuth?.length === 0 ? undefined : (changes.sealedCallbackAuth ?? present.sealedCallbackAuth),
  };
  if (terms.name === '') note('the name is empty');
  if (problems.length === 0) checkAgreement(profiles, terms).forEach(note);
  if (problems.length > 0) throw new RegistrationError(problems);
  return terms;
}

type Note = (problem: string) => void;

function readSubscriptions(name: string | undefined, note: Note): SubscriptionPolicy | undefined {
  const policy = SUBSCRIPTION_POLICIES.find((known) => known === name);
  if (name !== undefined && policy === undefined) note(`subscriptions are ${SUBSCRIPTION_POLICIES.join(' or ')}, not "${name}"`);
  return policy;
}

function changed(present: string | undefined, given: string | undefined): string | undefined {
  return given === undefined ? present : given === '' ? undefined : given;
}

function readText(what: string, text: string | undefined, note: Note): string | undefined {
  if (text !== undefined && (text.length > LONGEST_TEXT || /[\p{Cc}\p{Cs}]/u.test(text)))
    note(`${what} must be at most ${LONGEST_TEXT} characters without line breaks`);
  return text?.trim();
}

function readRegistries(profiles: readonly Profile[], names: readonly string[], note: Note): ReadonlySet<string> {
  const known = profiles.map((profile) => profile.registry).join(', ');
  return new Set(
    names.flatMap((name) => {
      const profile = findProfile(profiles, name);
      if (profile === undefined) note(`there is no registry "${name}"; known: ${known}`);
      return profile === undefined ? [] : [profile.registry];
    }),
  );
}

function readScopes(names: readonly string[], note: Note): ReadonlySet<string> {
  for (const name of names) if (!isScope(name)) note(`there is no scope "${name}"; known: ${SCOPES.join(', ')}`);
  return new Set(names);
}

function readPolicy(what: string, policy: string | undefined, note: Note): (SignaturePolicy & EncryptionPolicy) | undefined {
  if (policy === undefined || policy === 'required' || policy === 'optional') return policy;
  note(`${what} is required or optional, not "${policy}"`);
  return undefined;
}

function readDialect(name: string | undefined, note: Note): PartnerDialect | undefined {
  const dialect = PARTNER_DIALECTS.find((known) => known === name);
  if (name !== undefined && dialect === undefined) note(`there is no dialect "${name}"; known: ${PARTNER_DIALECTS.join(', ')}`);
  return dialect;
}

function readEntity(
  profiles: readonly Profile[],
  registries: ReadonlySet<string>,
  name: string | undefined,
  note: Note,
): string | undefined {
  if (name === undefined || name === '') return name;
  const open = profiles.filter((profile) => registries.has(profile.registry));
  const found = open.map((profile) => findEntity(profile, name)?.entity.name).find((entity) => entity !== undefined);
  const known = open.flatMap((profile) => profile.recordTypes.flatMap((recordType) => recordType.entities.map((entity) => entity.name)));
  if (found === undefined) note(`there is no entity "${name}" in the partner's registries; known: ${known.join(', ')}`);
  return found;
}

function readPurposes(purposes: readonly string[], note: Note): readonly string[] {
  const read = purposes.map((purpose) => readText('a purpose', purpose, note) ?? '');
  return [...new Set(read.filter((purpose) => purpose !== ''))];
}

type Basis = Pick<PartnerTerms, 'legalBasis' | 'legalBasisKind'>;

function readBasis(present: Basis, written: string | undefined, note: Note): Basis {
  const given = readText('the legal basis', written, note);
  if (given === undefined) return { legalBasis: present.legalBasis, legalBasisKind: present.legalBasisKind };
  if (given === '') return { legalBasis: undefined, legalBasisKind: 'law' };
  const basis: LegalBasis | undefined = parseLegalBasis(given);
  if (basis === undefined)
    note(`whether the legal basis is consent must be plain: write "KIND: ${given}" with one of ${LEGAL_BASIS_KINDS.join(', ')}`);
  return basis === undefined ? present : { legalBasis: basis.text, legalBasisKind: basis.kind };
}

type Rule = Pick<PartnerTerms, 'fieldRule' | 'ownRule'>;

function readFieldRule(present: Rule, given: string | OwnFieldRule | undefined, note: Note): Rule {
  if (given === undefined) return { fieldRule: present.fieldRule, ownRule: present.ownRule };
  if (typeof given !== 'string') return { fieldRule: given.name, ownRule: given };
  if (given !== '' && findFieldRule(given) === undefined)
    note(`there is no field rule "${given}"; known: ${FIELD_RULES.map((rule) => rule.name).join(', ')}`);
  return { fieldRule: given === '' ? undefined : given, ownRule: undefined };
}

/** By the registries' own names, and of those that are open only. */
function keepKnown(
  terms: Readonly<Record<string, RegistryTerms>>,
  profiles: readonly Profile[],
  open: ReadonlySet<string>,
): Readonly<Record<string, RegistryTerms>> {
  const named = Object.entries(terms).map(([name, part]) => [findProfile(profiles, name)?.registry ?? name, part] as const);
  return Object.fromEntries(named.filter(([name]) => open.has(name)));
}

function readClasses(names: readonly string[], note: Note): ReadonlySet<string> {
  const read = names.map((name) => readText('a class of recipients', name, note) ?? '');
  return new Set(read.filter((name) => name !== ''));
}

const LARGEST_LIMIT = 100_000_000;

function readLimits(limits: Readonly<Record<string, number | undefined>>, note: Note): PartnerLimits {
  for (const [name, value] of Object.entries(limits)) {
    if (!isLimit(name)) note(`there is no limit "${name}"; known: ${PARTNER_LIMITS.join(', ')}`);
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= LARGEST_LIMIT))
      note(`the limit ${name} must be a whole number from 1 to ${LARGEST_LIMIT}`);
  }
  const { statisticsThreshold: threshold } = limits;
  if (threshold !== undefined && threshold < LEAST_THRESHOLD)
    note(`statisticsThreshold is at least ${LEAST_THRESHOLD}: fewer records are never told together`);
  return limits;
}

function isLimit(name: string): name is PartnerLimit {
  return PARTNER_LIMITS.some((limit) => limit === name);
}
