import type { Attribute, IdentifierType, RecordType, Sensitivity } from '../profiles/profile.ts';
import { findSchemaTrail, type SchemaNode, schemaNode } from '../profiles/schema-path.ts';

/**
 * What a consent covers is a set of marks: a class of fields (`name`), a field with all that is in it by its path in the
 * document (`.demographic_info.birth_date`), an identifier type (`#UIN`), or everything (`*`). A field is covered where
 * each of its needs is met by one of the marks; of one record several consents may hold, and their marks count together.
 * The same needs decide in the query, whether a field may be compared, and at the way out, whether it is given.
 */
export type CoverNeeds = readonly (readonly string[])[];

/** A place in the schema of a document, with all that was met on the way to it. */
export interface Place {
  readonly node: SchemaNode;
  /** Dotted; empty at the root. */
  readonly path: string;
  /** The classes annotated on the way, the outermost first. */
  readonly classes: readonly Sensitivity[];
  readonly isOfOthers: boolean;
}

export const EVERYTHING = '*';

export function rootPlace(recordType: RecordType): Place {
  return enter({ node: {}, path: '', classes: [], isOfOthers: false }, schemaNode(recordType.document), '');
}

/** The place of a property, or of a list's items (which have the list's path). */
export function enter(from: Place, node: SchemaNode, name: string): Place {
  return {
    node,
    path: name === '' ? from.path : from.path === '' ? name : `${from.path}.${name}`,
    classes: node.sensitivity === undefined ? from.classes : [...from.classes, node.sensitivity],
    isOfOthers: from.isOfOthers || node.ofOthers === true,
  };
}

/** Undefined where the schema has no such path. */
export function findPlace(recordType: RecordType, path: string): Place | undefined {
  const trail = findSchemaTrail(schemaNode(recordType.document), path);
  if (trail === undefined) return undefined;
  const names = path.split('.');
  let place = rootPlace(recordType);
  for (const [index, node] of trail.slice(1).entries()) {
    if (place.node.items !== undefined) place = enter(place, place.node.items, '');
    place = enter(place, node, names[index] ?? '');
  }
  return place.node.items === undefined ? place : enter(place, place.node.items, '');
}

/** What is about other persons is covered by its own name only: nobody consents for his relatives by the way. */
export function needsOf(place: Place): CoverNeeds {
  const own = [...prefixesOf(place.path).map((path) => `.${path}`), ...(place.isOfOthers ? [] : [EVERYTHING])];
  if (place.isOfOthers || place.classes.length === 0) return [own];
  return [...new Set(place.classes)].map((sensitivity) => [...own, sensitivity]);
}

/** An identifier needs the class of its type too, which may tell more than a number (a marriage, a death). */
export function needsOfIdentifier(place: Place, type: IdentifierType | undefined): CoverNeeds {
  const own = type === undefined || place.isOfOthers ? [] : [`#${type.code}`];
  const needs = needsOf(place);
  const more = type?.sensitivity === undefined || place.isOfOthers ? [] : [[...(needs[0] ?? []).filter(isNoClass), type.sensitivity]];
  return [...needs, ...more].map((need) => [...own, ...need]);
}

/** The needs of what a query compares: an identifier is met wherever the record type keeps identifiers. */
export function needsOfField(recordType: RecordType, field: Attribute | IdentifierType): CoverNeeds {
  if ('path' in field) {
    const place = findPlace(recordType, field.path);
    return place === undefined ? [[]] : needsOf(place);
  }
  const places = recordType.identifierPaths.flatMap((path) => findPlace(recordType, `${path}.identifier_value`) ?? []);
  const [first, ...others] = places.map((place) => needsOfIdentifier(place, field));
  // Each place has the same classes; their own names count together.
  const own = others.flat(2).filter(isNoClass);
  return first === undefined ? [[]] : first.map((need) => [...new Set([...need, ...own])]);
}

export function isCovered(needs: CoverNeeds, marks: ReadonlySet<string>): boolean {
  return needs.every((need) => need.some((mark) => marks.has(mark)));
}

function isNoClass(mark: string): boolean {
  return /^[.#*]/.test(mark);
}

function prefixesOf(path: string): readonly string[] {
  const names = path.split('.');
  return path === '' ? [] : names.map((_, index) => names.slice(0, index + 1).join('.'));
}
