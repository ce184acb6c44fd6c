import { type EncryptionKey, SIGNATURE_DIALECTS, type VerificationKey } from '@dci/protocol';
import type { PlaceLevel } from '../profiles/profile.ts';
import { type Insertable, type Selectable, sql } from 'kysely';
import type { Db } from './database.ts';
import { loadPartnerKeys, loadPartnerKeysOf, type PartnerKey, readEncryptionKeys, readVerificationKeys } from './partner-keys.ts';
import { NEXT_REVISION } from './partner-revision.ts';
import type { SealedColumn } from './sealed.ts';
import type { Tables } from './tables.ts';

/** A system that may call us: who it is, what it may ask, and why. */
export interface Partner {
  readonly id: string;
  /** Grows with every change of the partner, its keys or its credentials. */
  readonly revision: string;
  readonly senderId: string;
  readonly name: string;
  readonly active: boolean;
  readonly registries: ReadonlySet<string>;
  readonly scopes: ReadonlySet<string>;
  readonly signaturePolicy: SignaturePolicy;
  readonly dialect: PartnerDialect;
  readonly encryptionPolicy: EncryptionPolicy;
  readonly lenient: boolean;
  readonly defaultEntity?: string;
  readonly legalBasis?: string;
  readonly purposes: readonly string[];
  /** Ground on which it may see personal data; `legalBasis` says which act or contract. */
  readonly legalBasisKind: string;
  /** Name of its field rule: of a ready-made one, or of its own. */
  readonly fieldRule?: string;
  readonly ownRule?: OwnFieldRule;
  /** By registry, what of it the agreement covers. */
  readonly registryTerms: Readonly<Record<string, RegistryTerms>>;
  /** Classes of recipients to whom consents may be given, and to which it belongs. */
  readonly recipientClasses: ReadonlySet<string>;
  readonly limits: PartnerLimits;
  /** Whether what it asks to be told of is in force at once, or once an operator has approved it. */
  readonly subscriptions: SubscriptionPolicy;
  /** Below which it may have itself called. */
  readonly callbackPrefixes: readonly string[];
  /** Where it is called if it does not say otherwise. */
  readonly notifyUri?: string;
  /** How we present ourselves there (`services/receiver-credentials.ts`). */
  readonly sealedCallbackAuth?: Buffer;
  /** Those that it signs with. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** Those that it is encrypted to, the newest last. */
  readonly encryptionKeys: ReadonlyMap<string, EncryptionKey>;
  /** Whether keys of it that are not known yet may stand at an address of its own. */
  readonly publishesKeys: boolean;
}

/** A field rule as an agreement has it; `disclosure/` reads it. */
export interface OwnFieldRule {
  readonly name: string;
  readonly extends?: string;
  readonly classes?: Readonly<Record<string, string>>;
  readonly dates?: DateStepName;
  readonly places?: PlaceLevel;
  readonly fields?: Readonly<Record<string, string>>;
}

type DateStepName = 'month' | 'year' | '5-years' | '10-years';

/** What of a registry an agreement covers. */
export interface RegistryTerms {
  /** Names of record types; absent: all. */
  readonly recordTypes?: readonly string[];
  /** By record type: the query that its records must meet, or `all`. */
  readonly rows?: Readonly<Record<string, object | 'all'>>;
}

/** `optional`: a message without a signature is taken; one that is there must be good all the same. */
export type SignaturePolicy = 'required' | 'optional';

/** `required`: a message that is not encrypted is refused. */
export type EncryptionPolicy = 'required' | 'optional';

/** In which dialect a partner is answered; `as-asked`: in the one it signed its message in. */
export type PartnerDialect = (typeof PARTNER_DIALECTS)[number];

export const PARTNER_DIALECTS = ['as-asked', ...SIGNATURE_DIALECTS] as const;

export type SubscriptionPolicy = (typeof SUBSCRIPTION_POLICIES)[number];

export const SUBSCRIPTION_POLICIES = ['automatic', 'approval'] as const;

/** Limits of a partner's own, in place of the server's. */
export type PartnerLimits = { readonly [name in PartnerLimit]?: number };

export type PartnerLimit = (typeof PARTNER_LIMITS)[number];

/**
 * Points a minute; records a page; records that one search may match; items in one message; subscriptions at a time;
 * fewest records that statistics tell together; identifiers checked in a day.
 */
export const PARTNER_LIMITS = [
  'pointsPerMinute',
  'pageSize',
  'maxMatches',
  'itemsPerMessage',
  'subscriptions',
  'statisticsThreshold',
  'identifiersPerDay',
] as const;

/** What an operator decides about a partner. */
export type PartnerTerms = Omit<Partner, 'id' | 'revision' | 'senderId' | 'keys' | 'encryptionKeys' | 'publishesKeys'>;

export interface StoredPartner extends Partner {
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Where it lies how we present ourselves to partners. */
export const CALLBACK_AUTH_COLUMN: SealedColumn = { table: 'partner', column: 'sealed_callback_auth', id: 'id', detail: 'sender_id' };

type PartnerRow = Selectable<Tables['partner']> & { readonly publishes_keys: unknown };

/** All partners, active or not, by sender id. */
export async function loadPartners(db: Db): Promise<StoredPartner[]> {
  const rows = await selectPartners(db).orderBy('sender_id').execute();
  const keys = Map.groupBy(await loadPartnerKeys(db), ({ partnerId }) => partnerId);
  return rows.map((row) => readPartner(row, keys.get(row.id) ?? []));
}

function selectPartners(db: Db) {
  return db
    .selectFrom('partner')
    .selectAll()
    .select((select) =>
      select.exists(select.selectFrom('partner_jwks').select('url').whereRef('partner_id', '=', 'partner.id')).as('publishes_keys'),
    );
}

export async function findPartner(db: Db, senderId: string): Promise<StoredPartner | undefined> {
  const row = await selectPartners(db).where('sender_id', '=', senderId).executeTakeFirst();
  return row === undefined ? undefined : readPartner(row, await loadPartnerKeysOf(db, row.id));
}

/** Keeps others from changing the partner until the transaction `db` ends. */
export async function lockPartner(db: Db, senderId: string): Promise<void> {
  await db.selectFrom('partner').select('id').where('sender_id', '=', senderId).forUpdate().execute();
}

/** False where the sender id is taken. */
export async function insertPartner(db: Db, partner: PartnerTerms & { readonly id: string; readonly senderId: string }): Promise<boolean> {
  const result = await db
    .insertInto('partner')
    .values({ id: partner.id, sender_id: partner.senderId, ...writeTerms(partner) })
    .onConflict((conflict) => conflict.column('sender_id').doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

export async function updatePartner(db: Db, id: string, terms: PartnerTerms): Promise<void> {
  await db
    .updateTable('partner')
    .set({ ...writeTerms(terms), revision: NEXT_REVISION, updated_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

function writeTerms(terms: PartnerTerms): Omit<Insertable<Tables['partner']>, 'id' | 'sender_id'> {
  return {
    name: terms.name,
    active: terms.active,
    registries: [...terms.registries],
    scopes: [...terms.scopes],
    subscriptions: terms.subscriptions,
    signature_policy: terms.signaturePolicy,
    dialect: terms.dialect,
    encryption_policy: terms.encryptionPolicy,
    lenient: terms.lenient,
    default_entity: terms.defaultEntity ?? null,
    legal_basis: terms.legalBasis ?? null,
    purposes: [...terms.purposes],
    field_rule: terms.fieldRule ?? null,
    legal_basis_kind: terms.legalBasisKind,
    own_rule: terms.ownRule === undefined ? null : JSON.stringify(terms.ownRule),
    registry_terms: JSON.stringify(terms.registryTerms),
    recipient_classes: [...terms.recipientClasses],
    limits: JSON.stringify(terms.limits),
    callback_prefixes: [...terms.callbackPrefixes],
    notify_uri: terms.notifyUri ?? null,
    sealed_callback_auth: terms.sealedCallbackAuth ?? null,
  };
}

function readPartner(row: PartnerRow, keys: readonly PartnerKey[]): StoredPartner {
  return {
    id: row.id,
    revision: row.revision,
    senderId: row.sender_id,
    name: row.name,
    active: row.active,
    registries: new Set(row.registries),
    scopes: new Set(row.scopes),
    subscriptions: row.subscriptions === 'automatic' ? 'automatic' : 'approval',
    signaturePolicy: row.signature_policy === 'optional' ? 'optional' : 'required',
    dialect: PARTNER_DIALECTS.find((dialect) => dialect === row.dialect) ?? 'as-asked',
    encryptionPolicy: row.encryption_policy === 'optional' ? 'optional' : 'required',
    lenient: row.lenient,
    defaultEntity: row.default_entity ?? undefined,
    legalBasis: row.legal_basis ?? undefined,
    purposes: row.purposes,
    fieldRule: row.field_rule ?? undefined,
    legalBasisKind: row.legal_basis_kind,
    ownRule: (row.own_rule as OwnFieldRule | null) ?? undefined,
    registryTerms: row.registry_terms as Record<string, RegistryTerms>,
    recipientClasses: new Set(row.recipient_classes),
    limits: row.limits,
    callbackPrefixes: row.callback_prefixes,
    notifyUri: row.notify_uri ?? undefined,
    sealedCallbackAuth: row.sealed_callback_auth ?? undefined,
    keys: readVerificationKeys(keys),
    encryptionKeys: readEncryptionKeys(keys),
    publishesKeys: row.publishes_keys === true,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
