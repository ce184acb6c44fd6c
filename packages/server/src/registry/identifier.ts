import { findIdentifierType } from '../profiles/index.ts';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { Document } from './document.ts';
import type { Problem } from './normalise.ts';

/** One identifier of a record; `type` is the profile's code. */
export interface RecordIdentifier {
  readonly type: string;
  readonly value: string;
  /** At most one current record of its type has it. */
  readonly isUnique: boolean;
}

interface WrittenIdentifier {
  identifier_type?: unknown;
  identifier_value?: unknown;
}

/**
 * The identifiers of a normalised document, from everywhere it keeps them, each once. Types are brought into the
 * profile's spelling in the document itself.
 */
export function takeIdentifiers(
  profile: Profile,
  recordType: RecordType,
  document: Document,
): { identifiers: RecordIdentifier[]; problems: Problem[] } {
  const found = new Map<string, RecordIdentifier>();
  const problems: Problem[] = [];
  for (const path of recordType.identifierPaths) {
    const list = followPath(document, path);
    if (!Array.isArray(list)) continue;
    for (const [index, written] of (list as WrittenIdentifier[]).entries()) {
      const identifier = readIdentifier(profile, recordType, written);
      if (typeof identifier === 'string')
        problems.push({ pointer: `/${path.replaceAll('.', '/')}/${index}/identifier_type`, text: identifier });
      else if (identifier !== undefined) {
        written.identifier_type = identifier.type;
        found.set(identifierKey(identifier), identifier);
      }
    }
  }
  return { identifiers: [...found.values()], problems };
}

/** What identifies an identifier within a registry's record type. No type or value contains NUL. */
export function identifierKey(identifier: { readonly type: string; readonly value: string }): string {
  return `${identifier.type}\0${identifier.value}`;
}

/** Value at a dotted path of objects. */
export function followPath(document: Document, path: string): unknown {
  let value: unknown = document;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** The identifier, why it is none, or nothing when its form is for the schema to judge. */
function readIdentifier(profile: Profile, recordType: RecordType, written: WrittenIdentifier): RecordIdentifier | string | undefined {
  const { identifier_type: name, identifier_value: value } = written;
  if (typeof name !== 'string' || typeof value !== 'string') return undefined;
  const type = findIdentifierType(profile, name, recordType.name);
  if (type === undefined) return `is no type of identifier of a ${recordType.name} (${knownTypes(profile, recordType)})`;
  return { type: type.code, value, isUnique: type.unique };
}

function knownTypes(profile: Profile, recordType: RecordType): string {
  return profile.identifierTypes
    .filter((type) => type.recordType === recordType.name)
    .map((type) => type.code)
    .join(', ');
}
