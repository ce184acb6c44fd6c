import { findIdentifierType } from '../../profiles/index.ts';
import type { Attribute, IdentifierType, Operator, RecordType } from '../../profiles/profile.ts';
import { type Coerced, coerceBoolean, coerceText, coerceValue } from '../coerce.ts';
import { type Comparison, joinFilters, mapLeaves } from '../filter-tree.ts';
import { type Field, findField } from '../names.ts';
import type { Filter } from '../plan.ts';
import { childPointer } from '../read-query/json.ts';
import type { Condition, IdentifierTerm, Term } from '../read-query/query.ts';
import { criteriaRefusal, filterRefusal } from '../refusal.ts';
import type { FieldUse, SearchContext } from '../search-context.ts';
import type { Subject } from './resolve-subject.ts';

/**
 * Binds the conditions of a query to fields of the profile: names resolved, values in the fields' types, operators among
 * those the field has, fields and values as far as the partner may use them. `ne`, `nin` and `exists: false` become the negation of
 * their opposites: a record that lacks the attribute is not equal to anything.
 */
export function bindFilter(condition: Condition, subject: Subject, context: Naming): Filter {
  return bind(condition, subject, { ...context, isAlone: condition.kind === 'identifier' || condition.kind === 'term' });
}

type Naming = Pick<SearchContext, 'profile' | 'useOf'>;

/** `isAlone`: the query is a single comparison. */
type Binding = Naming & { readonly isAlone: boolean };

function bind(condition: Condition, subject: Subject, context: Binding): Filter {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return { kind: condition.kind, terms: condition.terms.map((term) => bind(term, subject, context)) };
    case 'not':
      return negate(bind(condition.term, subject, context));
    case 'identifier':
      return bindIdentifierValue(condition, subject, context);
    case 'term':
      return bindTerm(condition, subject, context);
  }
}

/**
 * An identifier type that several record types carry is, unless the query says what it is about, that of the record type
 * for which it is declared first.
 */
function findSpokenField(name: string, { about, spoken }: Subject, { profile }: Naming): Field | undefined {
  const field = findField(profile, spoken, name);
  if (field?.kind !== 'identifier' || about !== undefined) return field;
  const identifierType = findIdentifierType(profile, name);
  const recordType = spoken.find((one) => one.name === identifierType?.recordType);
  return identifierType && recordType ? { kind: 'identifier', recordType, identifierType } : field;
}

function negate(term: Filter): Filter {
  return { kind: 'not', term };
}

/** A group is found by its own identifier and, where its members carry the type as well, by a member's. */
function bindIdentifierValue(term: IdentifierTerm, subject: Subject, context: Binding): Filter {
  const carriers = listCarriers(term.type, subject, context);
  if (carriers.length === 0) throw criteriaRefusal('the identifier type is not known here', term.typePointer);
  const open = carriers.filter(({ recordType, identifierType }) => {
    const use = context.useOf(recordType, identifierType);
    return use === 'open' || (use === 'alone' && context.isAlone);
  });
  if (open.length === 0) throw filterRefusal('the identifier type is not open to you', term.typePointer);
  return joinFilters(
    'or',
    open.map((field) =>
      compareIdentifier(field, 'eq', [coerceText(term.value, field.identifierType.code, term.valuePointer)], term.valuePointer),
    ),
  );
}

function listCarriers(name: string, { spoken }: Subject, { profile }: Naming): readonly IdentifierField[] {
  const carriers = spoken.flatMap((recordType) => {
    const identifierType = findIdentifierType(profile, name, recordType.name);
    return identifierType === undefined ? [] : [{ recordType, identifierType }];
  });
  const [first] = carriers;
  return carriers.filter(({ recordType }) => recordType === first?.recordType || recordType.name === first?.recordType.members?.recordType);
}

function bindTerm(term: Term, subject: Subject, context: Binding): Filter {
  const field = findSpokenField(term.name, subject, context);
  if (field === undefined) throw filterRefusal('the attribute is not known here', term.namePointer);
  const use = context.useOf(field.recordType, field.kind === 'attribute' ? field.attribute : field.identifierType);
  if (use === 'closed') throw filterRefusal('the attribute is not open to you', term.namePointer);
  const filter = bindOpenTerm(term, field);
  if (use !== 'open') assertUse(use, filter, context, term);
  return filter;
}

function bindOpenTerm(term: Term, field: Field): Filter {
  switch (term.operator) {
    case 'ne':
      return negate(bindComparison(field, { ...term, operator: 'eq' }, term.operator));
    case 'nin':
      return negate(bindComparison(field, { ...term, operator: 'in' }, term.operator));
    default:
      return bindComparison(field, term, term.operator);
  }
}

/** A field that is not given as it is may be asked for as far as what is given of it tells anyway. */
function assertUse(use: Exclude<FieldUse, 'open' | 'closed'>, filter: Filter, { isAlone }: Binding, term: Term): void {
  if (use === 'alone') {
    if (isAlone && 'operator' in filter && filter.operator === 'eq') return;
    throw filterRefusal('the attribute may only be asked for by one value, in a query of its own', term.operatorPointer);
  }
  mapLeaves(filter, (leaf) => {
    const isStep = leaf.kind === 'compare' && (leaf.operator === 'exists' || isBound(leaf, use.months));
    if (!isStep)
      throw filterRefusal(`the attribute is told in steps of ${use.months} months: compare it with their beginnings`, leaf.pointer);
    return leaf;
  });
}

/** Whether a comparison divides the time where a step begins. */
export function isBound({ operator, value }: Comparison, months: number): boolean {
  const [, year, month] = (typeof value === 'string' && /^(\d{4})-(\d{2})-01(?:T00:00:00Z)?$/.exec(value)) || [];
  return (operator === 'lt' || operator === 'ge') && (Number(year) * 12 + Number(month) - 1) % months === 0;
}

/** `written` is the operator as the partner wrote it, by which it is allowed or not; `term.operator` what is compiled. */
function bindComparison(field: Field, term: Term, written: Operator): Filter {
  if (field.kind === 'identifier') return bindIdentifier(field, term);
  const { attribute, recordType } = field;
  if (!attribute.operators.includes(written)) {
    throw filterRefusal(`${attribute.name} can be compared by ${attribute.operators.join(', ')}`, term.operatorPointer);
  }
  const compare = (operator: Operator, value: Comparison['value']): Filter => {
    return { kind: 'compare', recordType, attribute, operator, value, pointer: term.valuePointer };
  };
  switch (term.operator) {
    case 'exists':
      return withExistence(coerceBoolean(term.value, 'exists', term.valuePointer), compare('exists', true));
    case 'prefix':
      return compare('prefix', coerceText(term.value, attribute.name, term.valuePointer));
    case 'in':
      return bindList(attribute, term, compare);
    default:
      return spellOut(coerceValue(attribute, term.value, term.valuePointer), term.operator, compare);
  }
}

function withExistence(exists: boolean, filter: Filter): Filter {
  return exists ? filter : negate(filter);
}

type Compare = (operator: Operator, value: Comparison['value']) => Filter;

/** A span compared: before it, in it or after it. */
function spellOut(value: Coerced, operator: Operator, compare: Compare): Filter {
  if (value.kind === 'point') return compare(operator, value.value);
  switch (operator) {
    case 'lt':
    case 'ge':
      return compare(operator, value.from);
    case 'le':
      return compare('lt', value.until);
    case 'gt':
      return compare('ge', value.until);
    case 'eq':
      return { kind: 'and', terms: [compare('ge', value.from), compare('lt', value.until)] };
    default:
      throw new Error(`${operator} takes no span`);
  }
}

function bindList(attribute: Attribute, term: Term, compare: Compare): Filter {
  const values = readList(term).map((value, index) => coerceValue(attribute, value, childPointer(term.valuePointer, index)));
  const points = values.filter((value) => value.kind === 'point').map(({ value }) => value);
  const spans = values.filter((value) => value.kind === 'span').map((span) => spellOut(span, 'eq', compare));
  return joinFilters('or', [...(points.length === 0 ? [] : [compare('in', [...new Set(points)])]), ...spans]);
}

function readList(term: Term): readonly unknown[] {
  if (!Array.isArray(term.value) || term.value.length === 0)
    throw filterRefusal('a list of at least one value is expected', term.valuePointer);
  return term.value;
}

interface IdentifierField {
  readonly recordType: RecordType;
  readonly identifierType: IdentifierType;
}

function bindIdentifier(field: IdentifierField, term: Term): Filter {
  const { code } = field.identifierType;
  const pointer = term.valuePointer;
  switch (term.operator) {
    case 'eq':
      return compareIdentifier(field, 'eq', [coerceText(term.value, code, pointer)], pointer);
    case 'in': {
      const values = readList(term).map((value, index) => coerceText(value, code, childPointer(pointer, index)));
      return compareIdentifier(field, 'in', [...new Set(values)], pointer);
    }
    case 'exists':
      return withExistence(coerceBoolean(term.value, 'exists', pointer), compareIdentifier(field, 'exists', [], pointer));
    default:
      throw filterRefusal('an identifier can be compared by eq, ne, in, nin, exists', term.operatorPointer);
  }
}

function compareIdentifier(field: IdentifierField, operator: 'eq' | 'in' | 'exists', values: readonly string[], pointer: string): Filter {
  return { kind: 'identifier', recordType: field.recordType, type: field.identifierType.code, operator, values, pointer };
}
