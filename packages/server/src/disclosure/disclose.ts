import { canonicalJson } from '@dci/protocol';
import type { Entity, Profile, RecordType } from '../profiles/profile.ts';
import { listLeafPaths, schemaNode } from '../profiles/schema-path.ts';
import { findPlace } from '../registry/cover.ts';
import { type Document, readBody, writeEntity } from '../registry/document.ts';
import type { FoundRecord, SearchPlan, SearchResult } from '../registry/plan.ts';
import { type GiveFields, prepareFields } from './give-fields.ts';
import type { Grant } from './grant.ts';
import type { Pseudonyms } from './pseudonyms.ts';
import { createTreatments } from './treatment.ts';

declare const disclosed: unique symbol;

/**
 * The only way out of the registry: a `SearchResult` is what is there, a `DisclosedResult` what this partner is given of
 * it. Nothing else makes one, and nothing else is accepted where an answer is written.
 */
export interface DisclosedResult {
  readonly [disclosed]: true;
  readonly plan: SearchPlan;
  /** Canonical JSON texts in the form of the plan's entity. */
  readonly records: readonly string[];
  readonly totalCount: number;
  readonly next?: NonNullable<SearchResult['next']>;
  /** What the audit row says of it: ids of the records given, members of groups among them. */
  readonly recordIds: readonly string[];
  /** Ids of the consents under which they are given, where consent is what allows it. */
  readonly consentIds: readonly string[];
}

/** Applies the grant's field rule, and what consents cover, to every record and to every member of a group of a result. */
export function disclose(grant: Grant, result: SearchResult, pseudonyms: Pseudonyms): DisclosedResult {
  const { plan } = result;
  const isWhole = grant.rule.classes === 'everything' && plan.sight?.consent === undefined;
  const all = result.records.flatMap((record) => [record, ...(record.members ?? []).map((member) => member.record)]);
  const way = isWhole ? undefined : openWay(grant, plan, pseudonyms);
  return {
    plan,
    records: result.records.map((record) => (way === undefined ? writeWhole(plan, record) : way.write(record))),
    totalCount: result.totalCount,
    ...(result.next === undefined ? {} : { next: result.next }),
    recordIds: all.map(({ id }) => id),
    consentIds: way === undefined ? [] : [...new Set(all.flatMap((record) => way.consentsOf(record)))],
  } as unknown as DisclosedResult;
}

function writeWhole(plan: SearchPlan, record: FoundRecord): string {
  return writeEntity(plan.profile, plan.recordType, plan.entity, record.body, record.members);
}

/** What a rule makes of records under one set of consents. */
interface Prepared {
  readonly give: GiveFields;
  readonly givesContainer: (path: string) => boolean;
}

interface Way {
  write(record: FoundRecord): string;
  consentsOf(record: FoundRecord): readonly string[];
}

function openWay(grant: Grant, plan: SearchPlan, pseudonyms: Pseudonyms): Way {
  const { profile } = plan;
  const pseudonym = pseudonyms.of(grant.partnerId);
  const needsConsent = plan.sight?.consent !== undefined;
  const prepared = new Map<string, Prepared>();

  function prepare(recordType: RecordType, record: FoundRecord): Prepared {
    const marks = needsConsent ? readMarks(record) : undefined;
    const key = `${recordType.name} ${marks === undefined ? '' : [...marks].toSorted().join(' ')}`;
    const known = prepared.get(key);
    if (known !== undefined) return known;
    const made = {
      give: prepareFields(grant.rule, profile, recordType, marks, pseudonym),
      givesContainer: createTreatments(grant.rule, profile, recordType, marks).givesContainer,
    };
    prepared.set(key, made);
    return made;
  }

  /** Undefined where nothing is given of the record but that it is one. */
  function give(recordType: RecordType, entity: Entity, record: FoundRecord): Record<string, unknown> | undefined {
    const { give: giveFields, givesContainer } = prepare(recordType, record);
    const document: Document = giveFields(readBody(recordType, record.body)) ?? {};
    const own = entity.property === undefined ? document : (document[entity.property] as Document | undefined);
    const given = { ...own, ...giveMembers(recordType, record, givesContainer) };
    return Object.keys(given).some((name) => name !== '@type') ? { ...given, '@type': entity.name } : undefined;
  }

  function giveMembers(recordType: RecordType, record: FoundRecord, givesContainer: (path: string) => boolean): Record<string, unknown> {
    const { members } = recordType;
    if (members === undefined || record.members === undefined) return {};
    const found = findMember(profile, members);
    if (found === undefined) return {};
    const list = record.members.map((member) => ({ isHead: member.isHead, given: give(found.recordType, found.entity, member.record) }));
    const given = list.flatMap((member) => (member.given === undefined ? [] : [member.given]));
    const head = list.find(({ isHead }) => isHead)?.given;
    return {
      ...(given.length > 0 && givesContainer(members.listProperty) ? { [members.listProperty]: given } : {}),
      ...(head !== undefined && givesContainer(members.headProperty) ? { [members.headProperty]: head } : {}),
    };
  }

  return {
    write: (record) =>
      canonicalJson({ '@context': profile.context, '@type': plan.entity.name, ...give(plan.recordType, plan.entity, record) }),
    consentsOf: (record) => (needsConsent ? readCover(record).map(([id]) => id) : []),
  };
}

/** Whether a field of a record is given as it is, by its path in the document; it may be compared, and its changes told, then. */
export function prepareGivenPaths(
  grant: Grant,
  { profile, recordType, sight }: SearchPlan,
): (record: FoundRecord) => (path: string) => boolean {
  const prepared = new Map<string, (path: string) => boolean>();
  return (record) => {
    const marks = sight?.consent === undefined ? undefined : readMarks(record);
    const key = marks === undefined ? '' : JSON.stringify([...marks].toSorted());
    const isGiven = prepared.get(key) ?? isGivenUnder(grant, profile, recordType, marks);
    prepared.set(key, isGiven);
    return isGiven;
  };
}

/** The same, by the agreement alone: a consent, where one is needed, may take away from it. */
export function isGivenUnder(
  { rule }: Grant,
  profile: Profile,
  recordType: RecordType,
  marks?: ReadonlySet<string>,
): (path: string) => boolean {
  const treatments = createTreatments(rule, profile, recordType, marks);
  return (path) => {
    const place = findPlace(recordType, path);
    return place !== undefined && treatments.of(place) === 'give';
  };
}

/** Whether the rule writes members with groups of a type, and anything of them. */
export function givesMembers(grant: Grant, profile: Profile, groupType: RecordType): boolean {
  const { members } = groupType;
  const member = members && findMember(profile, members)?.recordType;
  if (members === undefined || member === undefined) return false;
  if (!createTreatments(grant.rule, profile, groupType, undefined).givesContainer(members.listProperty)) return false;
  const treatments = createTreatments(grant.rule, profile, member, undefined);
  return listLeafPaths(schemaNode(member.document), '').some((path) => {
    const place = findPlace(member, path);
    return place !== undefined && !['omit', 'ask'].includes(treatments.of(place));
  });
}

function findMember(profile: Profile, members: NonNullable<RecordType['members']>): { recordType: RecordType; entity: Entity } | undefined {
  const recordType = profile.recordTypes.find((candidate) => candidate.name === members.recordType);
  const entity = recordType?.entities.find((candidate) => candidate.name === members.entity);
  return recordType && entity && { recordType, entity };
}

/** What consents cover of a record; of one that was read without them nothing is given. */
export function readMarks(record: Pick<FoundRecord, 'cover'>): ReadonlySet<string> {
  return new Set(readCover(record).flatMap(([, marks]) => marks));
}

type Cover = readonly (readonly [id: string, marks: readonly string[]])[];

/** What the database wrote (`registry/compile-consent.ts`). */
export function readCover({ cover }: Pick<FoundRecord, 'cover'>): Cover {
  return cover === undefined ? [] : (JSON.parse(cover) as Cover);
}
