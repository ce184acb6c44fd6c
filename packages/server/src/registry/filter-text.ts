import { createHash } from 'node:crypto';
import { canonicalJson } from '@dci/protocol';
import { findAttribute, findIdentifierType, findRecordType } from '../profiles/index.ts';
import type { Operator, Profile } from '../profiles/profile.ts';
import type { Filter, Scalar } from './plan.ts';

/** Filters as JSON: to be kept, to be compared, and to be read again. Where in a message they stood is not told. */
export type FilterText =
  | readonly ['and' | 'or', readonly FilterText[]]
  | readonly ['not', FilterText]
  | readonly ['compare', recordType: string, attribute: string, operator: Operator, value: Scalar | readonly Scalar[]]
  | readonly ['identifier', recordType: string, type: string, operator: 'eq' | 'in' | 'exists', values: readonly string[]]
  | readonly ['records', recordType: string, ids: readonly string[]];

export function writeFilter(filter: Filter): FilterText {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return [filter.kind, filter.terms.map(writeFilter)];
    case 'not':
      return [filter.kind, writeFilter(filter.term)];
    case 'compare':
      return [filter.kind, filter.recordType.name, filter.attribute.name, filter.operator, filter.value];
    case 'identifier':
      return [filter.kind, filter.recordType.name, filter.type, filter.operator, filter.values];
    case 'records':
      return [filter.kind, filter.recordType.name, filter.ids];
  }
}

/** Undefined: it speaks of something that the profile does not have any more. */
export function readFilter(profile: Profile, text: FilterText): Filter | undefined {
  switch (text[0]) {
    case 'and':
    case 'or': {
      const terms = text[1].map((term) => readFilter(profile, term));
      const known = terms.filter((term) => term !== undefined);
      return known.length === terms.length ? { kind: text[0], terms: known } : undefined;
    }
    case 'not': {
      const term = readFilter(profile, text[1]);
      return term && { kind: 'not', term };
    }
    case 'compare': {
      const [, typeName, name, operator, value] = text;
      const recordType = findRecordType(profile, typeName);
      const attribute = recordType && findAttribute(recordType, name);
      return recordType && attribute && { kind: 'compare', recordType, attribute, operator, value, pointer: '' };
    }
    case 'identifier': {
      const [, typeName, type, operator, values] = text;
      const recordType = findRecordType(profile, typeName);
      if (recordType === undefined || findIdentifierType(profile, type, typeName) === undefined) return undefined;
      return { kind: 'identifier', recordType, type, operator, values, pointer: '' };
    }
    case 'records': {
      const recordType = findRecordType(profile, text[1]);
      return recordType && { kind: 'records', recordType, ids: text[2] };
    }
  }
}

/** One text for filters that say the same in another order, twice, or in needless brackets. */
export function normaliseFilter(text: FilterText): FilterText {
  switch (text[0]) {
    case 'and':
    case 'or': {
      const [kind] = text;
      const terms = text[1].map(normaliseFilter).flatMap((term) => (term[0] === kind ? term[1] : [term]));
      const sorted = [...new Map(terms.map((term) => [canonicalJson(term), term])).entries()].toSorted(([one], [other]) =>
        one < other ? -1 : 1,
      );
      const [only, ...others] = sorted.map(([, term]) => term);
      return only !== undefined && others.length === 0 ? only : [kind, sorted.map(([, term]) => term)];
    }
    case 'not': {
      const term = normaliseFilter(text[1]);
      return term[0] === 'not' ? term[1] : ['not', term];
    }
    case 'compare': {
      const [kind, recordType, attribute, operator, value] = text;
      if (operator !== 'in' || !Array.isArray(value)) return text;
      const values = sortUnique(value as readonly Scalar[]);
      const [only, ...others] = values;
      return only !== undefined && others.length === 0
        ? [kind, recordType, attribute, 'eq', only]
        : [kind, recordType, attribute, operator, values];
    }
    case 'identifier': {
      const [kind, recordType, type, operator, given] = text;
      const values = sortUnique(given);
      return [kind, recordType, type, operator === 'in' && values.length === 1 ? 'eq' : operator, values];
    }
    case 'records':
      return text;
  }
}

export function hashFilter(text: FilterText | 'everything'): Buffer {
  return createHash('sha256').update(canonicalJson(text)).digest();
}

function sortUnique<T extends Scalar>(values: readonly T[]): T[] {
  return [...new Set(values)].toSorted((one, other) => (one < other ? -1 : one > other ? 1 : 0));
}
