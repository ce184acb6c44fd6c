import { findAttribute, findIdentifierType, getRecordType } from '../profiles/index.ts';
import type { Attribute, Entity, IdentifierType, Profile, RecordType } from '../profiles/profile.ts';

/** What a name in a query or a sort means in a registry: an attribute, or an identifier type by its value. */
export type Field =
  | { readonly kind: 'attribute'; readonly recordType: RecordType; readonly attribute: Attribute }
  | { readonly kind: 'identifier'; readonly recordType: RecordType; readonly identifierType: IdentifierType };

/** The field that `name` means in the first of `recordTypes` that knows it. */
export function findField(profile: Profile, recordTypes: readonly RecordType[], name: string): Field | undefined {
  for (const recordType of recordTypes) {
    const found = findOwnField(profile, recordType, name) ?? findFieldOfMembers(profile, recordType, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The entity in which a record type is answered unless another is asked for. */
export function getDefaultEntity(recordType: RecordType): Entity {
  const [first] = recordType.entities;
  if (first === undefined) throw new Error(`record type ${recordType.name} has no entity`);
  return first;
}

/** Record types that are bound to `recordType` by membership, in either direction. */
export function listRelatedTypes(profile: Profile, recordType: RecordType): readonly RecordType[] {
  return profile.recordTypes.filter(
    (other) => other.name === recordType.members?.recordType || other.members?.recordType === recordType.name,
  );
}

function findOwnField(profile: Profile, recordType: RecordType, name: string): Field | undefined {
  const attribute = findAttribute(recordType, name);
  if (attribute !== undefined) return { kind: 'attribute', recordType, attribute };
  const identifierType = findIdentifierType(profile, name, recordType.name);
  return identifierType && { kind: 'identifier', recordType, identifierType };
}

/** `member_list.sex`: the list of members and what its records call the field. */
function findFieldOfMembers(profile: Profile, recordType: RecordType, name: string): Field | undefined {
  const prefix = `${recordType.members?.listProperty}.`.toLowerCase();
  if (recordType.members === undefined || !name.toLowerCase().startsWith(prefix)) return undefined;
  return findOwnField(profile, getRecordType(profile, recordType.members.recordType), name.slice(prefix.length));
}
