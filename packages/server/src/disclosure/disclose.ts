import { canonicalJson } from '@dci/protocol';
import { findIdentifierType } from '../profiles/index.ts';
import type { Entity, Profile, RecordType } from '../profiles/profile.ts';
import { type Document, readBody, writeEntity } from '../registry/document.ts';
import type { FoundRecord, SearchPlan, SearchResult } from '../registry/plan.ts';
import { givesContainer } from './field-rules.ts';
import { filterFields } from './filter-fields.ts';
import { type Grant, givesIdentifierType } from './grant.ts';

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
}

/** Applies the grant's field rule to every record, and to every member of a group, of a result. */
export function disclose(grant: Grant, result: SearchResult): DisclosedResult {
  const { plan } = result;
  const write = grant.rule.classes === 'everything' ? writeWhole : writeGiven;
  return {
    plan,
    records: result.records.map((record) => write(grant, plan, record)),
    totalCount: result.totalCount,
    ...(result.next === undefined ? {} : { next: result.next }),
    recordIds: result.records.flatMap((record) => [record.id, ...(record.members ?? []).map((member) => member.record.id)]),
  } as unknown as DisclosedResult;
}

function writeWhole(_grant: Grant, plan: SearchPlan, record: FoundRecord): string {
  return writeEntity(plan.profile, plan.recordType, plan.entity, record.body, record.members);
}

function writeGiven(grant: Grant, plan: SearchPlan, record: FoundRecord): string {
  const { profile, recordType, entity } = plan;
  return canonicalJson({ '@context': profile.context, ...giveDocument(grant, profile, recordType, entity, record) });
}

function giveDocument(
  grant: Grant,
  profile: Profile,
  recordType: RecordType,
  entity: Entity,
  record: FoundRecord,
): Record<string, unknown> {
  const known = dropIdentifiers(grant, profile, recordType, readBody(recordType, record.body));
  const document = filterFields(grant.rule, recordType.document, known);
  const given = {
    '@type': entity.name,
    ...(entity.property === undefined ? document : (document[entity.property] as Record<string, unknown> | undefined)),
  };
  const { members } = recordType;
  if (members === undefined || record.members === undefined) return given;
  const memberType = profile.recordTypes.find((candidate) => candidate.name === members.recordType);
  const memberEntity = memberType?.entities.find((candidate) => candidate.name === members.entity);
  if (memberType === undefined || memberEntity === undefined) return given;
  const list = record.members.map((member) => giveDocument(grant, profile, memberType, memberEntity, member.record));
  const head = list[record.members.findIndex((member) => member.isHead)];
  return {
    ...given,
    ...(givesContainer(grant.rule, recordType, members.listProperty) ? { [members.listProperty]: list } : {}),
    ...(head !== undefined && givesContainer(grant.rule, recordType, members.headProperty) ? { [members.headProperty]: head } : {}),
  };
}

/** Types of identifiers tell what happened in a life: the number of a death certificate is that of a dead person. */
function dropIdentifiers(grant: Grant, profile: Profile, recordType: RecordType, document: Document): Document {
  const isGiven = (entry: unknown): boolean => {
    const code = (entry as { readonly identifier_type?: unknown }).identifier_type;
    return typeof code === 'string' && givesIdentifierType(grant, findIdentifierType(profile, code, recordType.name));
  };
  return recordType.identifierPaths.reduce((kept, path) => keepEntries(kept, path.split('.'), isGiven), document);
}

/** A copy of `document` in which the list at `path` holds only what `isGiven` says. */
function keepEntries(document: Document, [name = '', ...rest]: readonly string[], isGiven: (entry: unknown) => boolean): Document {
  const value = document[name];
  if (rest.length === 0) return Array.isArray(value) ? { ...document, [name]: value.filter(isGiven) } : document;
  if (typeof value !== 'object' || value === null) return document;
  return { ...document, [name]: keepEntries(value as Document, rest, isGiven) };
}
