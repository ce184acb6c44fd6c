import { findIdentifierType, getRecordType } from '../../profiles/index.ts';
import type { Attribute, IdentifierType, Operator, RecordType } from '../../profiles/profile.ts';
import { type Coerced, coerceBoolean, coerceText, coerceValue } from '../coerce.ts';
import { type Comparison, joinFilters } from '../filter-tree.ts';
import { type Field, findField } from '../names.ts';
import type { Filter } from '../plan.ts';
import { childPointer } from '../read-query/json.ts';
import type { Condition, IdentifierTerm, Term } from '../read-query/query.ts';
import { criteriaRefusal, filterRefusal } from '../refusal.ts';
import type { SearchContext } from '../search-context.ts';

/**
 * Binds the conditions of a query to fields of the profile: names resolved, values in the fields' types, operators among
 * those the field has, fields among those the partner may read. `ne`, `nin` and `exists: false` become the negation of
 * their opposites: a record that lacks the attribute is not equal to anything.
 */
export function bindFilter(condition: Condition, spoken: readonly RecordType[], context: SearchContext): Filter {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return { kind: condition.kind, terms: condition.terms.map((term) => bindFilter(term, spoken, context)) };
    case 'not':
      return negate(bindFilter(condition.term, spoken, context));
    case 'identifier':
      return bindIdentifierValue(condition, spoken, context);
    case 'term':
      return bindTerm(condition, spoken, context);
  }
}

function negate(term: Filter): Filter {
  return { kind: 'not', term };
}

function bindIdentifierValue(term: IdentifierTerm, spoken: readonly RecordType[], context: SearchContext): Filter {
  const found = findSpokenIdentifier(term.type, spoken, context);
  if (found === undefined) throw criteriaRefusal('the identifier type is not known here', term.typePointer);
  assertOpen({ kind: 'identifier', ...found }, context, term.typePointer);
  const value = coerceText(term.value, found.identifierType.code, term.valuePointer);
  return compareIdentifier(found, 'eq', [value], term.valuePointer, context);
}

function findSpokenIdentifier(name: string, spoken: readonly RecordType[], { profile }: SearchContext): IdentifierField | undefined {
  for (const recordType of spoken) {
    const identifierType = findIdentifierType(profile, name, recordType.name);
    if (identifierType !== undefined) return { recordType, identifierType };
  }
  return undefined;
}

function bindTerm(term: Term, spoken: readonly RecordType[], context: SearchContext): Filter {
  const field = findField(context.profile, spoken, term.name);
  if (field === undefined) throw filterRefusal('the attribute is not known here', term.namePointer);
  assertOpen(field, context, term.namePointer);
  switch (term.operator) {
    case 'ne':
      return negate(bindComparison(field, { ...term, operator: 'eq' }, term.operator, context));
    case 'nin':
      return negate(bindComparison(field, { ...term, operator: 'in' }, term.operator, context));
    default:
      return bindComparison(field, term, term.operator, context);
  }
}

function assertOpen(field: Field, context: SearchContext, pointer: string): void {
  const used = field.kind === 'attribute' ? field.attribute : field.identifierType;
  if (!context.mayUse(field.recordType, used)) throw filterRefusal('the attribute is not open to you', pointer);
}

/** `written` is the operator as the partner wrote it, by which it is allowed or not; `term.operator` what is compiled. */
function bindComparison(field: Field, term: Term, written: Operator, context: SearchContext): Filter {
  if (field.kind === 'identifier') return bindIdentifier(field, term, context);
  const { attribute, recordType } = field;
  if (!attribute.operators.includes(written)) {
    throw filterRefusal(`${attribute.name} can be compared by ${attribute.operators.join(', ')}`, term.valuePointer);
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
      return bindList(attribute, term, compare, context);
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

function bindList(attribute: Attribute, term: Term, compare: Compare, context: SearchContext): Filter {
  const values = readList(term, context).map((value, index) => coerceValue(attribute, value, childPointer(term.valuePointer, index)));
  const points = values.filter((value) => value.kind === 'point').map(({ value }) => value);
  const spans = values.filter((value) => value.kind === 'span').map((span) => spellOut(span, 'eq', compare));
  return joinFilters('or', [...(points.length === 0 ? [] : [compare('in', [...new Set(points)])]), ...spans]);
}

function readList(term: Term, context: SearchContext): readonly unknown[] {
  const { maxListValues } = context.limits;
  if (!Array.isArray(term.value) || term.value.length === 0) throw filterRefusal('a list of at least one value is expected', term.valuePointer);
  if (term.value.length > maxListValues) throw filterRefusal(`a list may hold ${maxListValues} values`, term.valuePointer);
  return term.value;
}

interface IdentifierField {
  readonly recordType: RecordType;
  readonly identifierType: IdentifierType;
}

function bindIdentifier(field: IdentifierField, term: Term, context: SearchContext): Filter {
  const { code } = field.identifierType;
  const pointer = term.valuePointer;
  switch (term.operator) {
    case 'eq':
      return compareIdentifier(field, 'eq', [coerceText(term.value, code, pointer)], pointer, context);
    case 'in': {
      const values = readList(term, context).map((value, index) => coerceText(value, code, childPointer(pointer, index)));
      return compareIdentifier(field, 'in', [...new Set(values)], pointer, context);
    }
    case 'exists':
      return withExistence(coerceBoolean(term.value, 'exists', pointer), compareIdentifier(field, 'exists', [], pointer, context));
    default:
      throw filterRefusal('an identifier can be compared by eq, ne, in, nin, exists', pointer);
  }
}

/** A group has its own identifiers; where its members carry the type as well, it is found by theirs too. */
function compareIdentifier(
  { recordType, identifierType }: IdentifierField,
  operator: 'eq' | 'in' | 'exists',
  values: readonly string[],
  pointer: string,
  context: SearchContext,
): Filter {
  const { code: type } = identifierType;
  const own: Filter = { kind: 'identifier', recordType, type, operator, values, pointer };
  const memberType = recordType.members && getRecordType(context.profile, recordType.members.recordType);
  const ofMembers = memberType && findIdentifierType(context.profile, type, memberType.name);
  if (memberType === undefined || ofMembers === undefined || !context.mayUse(memberType, ofMembers)) return own;
  return { kind: 'or', terms: [own, { ...own, recordType: memberType, type: ofMembers.code }] };
}
