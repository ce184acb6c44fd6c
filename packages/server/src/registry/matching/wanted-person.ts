import type { Entity, MatchFields, RecordType } from '../../profiles/profile.ts';
import type { Document } from '../document.ts';
import { normaliseDocument } from '../normalise.ts';
import { criteriaRefusal, filterRefusal } from '../refusal.ts';
import { type MatchSubject, readMatchSubject } from './match-subject.ts';

/** What a partner knows of a person. */
export interface WantedPerson {
  readonly subject: MatchSubject;
  /** Paths of the document that are known. */
  readonly paths: readonly string[];
}

const LONGEST_TEXT = 200;
const MOST_TEXTS = 50;

/**
 * Reads a person in the form of an entity. Every field must be one that is compared, and one that the partner is given as
 * it is: what may not be seen may not be matched on. Throws a refusal with the pointer of the fault; `pointer`: of the person.
 */
export function readWantedPerson(
  recordType: RecordType,
  entity: Entity,
  person: Document,
  isGiven: (path: string) => boolean,
  pointer: string,
): WantedPerson {
  const { matching } = recordType;
  if (matching === undefined) throw criteriaRefusal(`a ${entity.name} is not matched here`, pointer);
  const whole = entity.property === undefined ? person : { [entity.property]: person };
  const { document, problems } = normaliseDocument(recordType.document, whole);
  const [problem] = problems;
  const placeOf = (place: string): string => pointer + place.slice(entity.property === undefined ? 0 : entity.property.length + 1);
  if (problem !== undefined) throw criteriaRefusal(`a field of the person ${problem.text}`, placeOf(problem.pointer));
  const leaves = [...listLeaves(document, '', '')];
  const compared = new Set(listPaths(matching));
  for (const { path, pointer: place, value } of leaves) {
    if (!compared.has(path)) throw criteriaRefusal(`persons are compared by ${[...compared].join(', ')}`, placeOf(place));
    if (typeof value !== 'string' || value.length > LONGEST_TEXT)
      throw criteriaRefusal(`a text of at most ${LONGEST_TEXT} characters is expected`, placeOf(place));
    if (!isGiven(path)) throw filterRefusal('the field is not open to you', placeOf(place));
  }
  if (leaves.length > MOST_TEXTS) throw criteriaRefusal(`at most ${MOST_TEXTS} things are compared`, pointer);
  const subject = readMatchSubject(recordType, document);
  if (subject === undefined) throw new Error('a record type that is matched has no subject');
  return { subject, paths: [...new Set(leaves.map(({ path }) => path))] };
}

export function listPaths({ given, family, formerFamily, birthDate, sex, places, contacts }: MatchFields): readonly string[] {
  return [...given, ...family, ...formerFamily, birthDate, sex, ...places, ...contacts];
}

interface Leaf {
  /** Dotted; lists are passed through. */
  readonly path: string;
  readonly pointer: string;
  readonly value: unknown;
}

function* listLeaves(value: unknown, path: string, pointer: string): Generator<Leaf> {
  if (Array.isArray(value)) {
    for (const [index, entry] of value.entries()) yield* listLeaves(entry, path, `${pointer}/${index}`);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, entry] of Object.entries(value))
      if (name !== '@type') yield* listLeaves(entry, path === '' ? name : `${path}.${name}`, `${pointer}/${name}`);
  } else yield { path, pointer, value };
}
