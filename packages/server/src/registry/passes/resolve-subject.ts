import type { SearchCriteria } from '@dci/protocol';
import { findEntity, findProfileByRegType, getRecordType } from '../../profiles/index.ts';
import type { Entity, Profile, RecordType } from '../../profiles/profile.ts';
import { findField, getDefaultEntity, listRelatedTypes } from '../names.ts';
import { childPointer } from '../read-query/json.ts';
import { listNames, type Query } from '../read-query/query.ts';
import { criteriaRefusal } from '../refusal.ts';
import type { SearchContext } from '../search-context.ts';

/** What in the criteria names a subject, and under what it is resolved. */
type Named = Pick<SearchCriteria, 'reg_type' | 'reg_record_type' | 'response_entity'>;
type Naming = Pick<SearchContext, 'profile' | 'defaultEntity' | 'pointer'>;

interface EntityOfType {
  readonly recordType: RecordType;
  readonly entity: Entity;
}

/** What is answered, and what the criteria speak of. */
export interface Subject extends EntityOfType {
  /** The record type the query is about, where that is told. */
  readonly about?: RecordType;
  /** Record types whose fields the criteria may name: first the one the query is about, then the answer's, then those bound to it. */
  readonly spoken: readonly RecordType[];
}

/**
 * What the query is about and what it is answered with. It is about the `collection`; else, where `response_entity` says
 * what to answer, about `reg_record_type`; else about the one record type that alone knows all its names. It is answered
 * with `response_entity`, `reg_record_type`, or in the usual form of what it is about, which for a query that could be
 * about anything is the partner's default or the profile's.
 */
export function resolveSubject(query: Query, criteria: Named, context: Naming): Subject {
  assertRegistry(criteria.reg_type, context);
  const { profile } = context;
  const asked = findNamed(profile, criteria.response_entity, childPointer(context.pointer, 'response_entity'));
  const typed = findNamed(profile, criteria.reg_record_type, childPointer(context.pointer, 'reg_record_type'));
  const collected = query.collection && findNamed(profile, query.collection.name, query.collection.pointer);
  const about = collected?.recordType ?? (asked && typed?.recordType) ?? findOnlySpeaker(profile, listNames(query.condition));
  const answer = asked ?? typed ?? chooseUsual(about, context);
  const reachable = [answer.recordType, ...listRelatedTypes(profile, answer.recordType)];
  if (about !== undefined && !reachable.includes(about)) {
    throw criteriaRefusal('the query is about records that the entity asked for is not bound to', context.pointer);
  }
  if (about === undefined) return { ...answer, spoken: reachable };
  return { ...answer, about, spoken: [about, ...reachable.filter((recordType) => recordType !== about)] };
}

function assertRegistry(name: string | undefined, context: Naming): void {
  if (name === undefined) return;
  if (findProfileByRegType([context.profile], name) === undefined) {
    throw criteriaRefusal('reg_type names another registry', childPointer(context.pointer, 'reg_type'));
  }
}

function findNamed(profile: Profile, name: string | undefined, pointer: string): EntityOfType | undefined {
  if (name === undefined) return undefined;
  const found = findEntity(profile, name);
  if (found === undefined) throw criteriaRefusal(`${listEntityNames(profile)} are known here`, pointer);
  return found;
}

function listEntityNames(profile: Profile): string {
  return profile.recordTypes.flatMap((recordType) => recordType.entities.map((entity) => entity.name)).join(', ');
}

/** A record type other than the default one that knows every name, none of which the default one knows. */
function findOnlySpeaker(profile: Profile, names: readonly string[]): RecordType | undefined {
  const knows = (recordType: RecordType, name: string): boolean => findField(profile, [recordType], name)?.recordType === recordType;
  const usual = getRecordType(profile, profile.defaultRecordType);
  if (names.some((name) => knows(usual, name))) return undefined;
  const speakers = profile.recordTypes.filter((recordType) => names.every((name) => knows(recordType, name)));
  return speakers.length === 1 ? speakers[0] : undefined;
}

function chooseUsual(about: RecordType | undefined, context: Naming): EntityOfType {
  const { profile, defaultEntity } = context;
  const preferred = defaultEntity === undefined ? undefined : findEntity(profile, defaultEntity);
  if (preferred !== undefined && (about === undefined || about === preferred.recordType)) return preferred;
  const recordType = about ?? getRecordType(profile, profile.defaultRecordType);
  return { recordType, entity: getDefaultEntity(recordType) };
}
