import type { Operator } from '../../profiles/profile.ts';

/** A query as it was written: its shape understood, its names and values not yet looked at. */
export interface Query {
  /** What an expression says it is about. */
  readonly collection?: { readonly name: string; readonly pointer: string };
  readonly condition: Condition;
}

export interface QueryLimits {
  /** Comparisons in one query. */
  readonly maxTerms: number;
  /** Levels of nesting in one query. */
  readonly maxDepth: number;
  /** Values in all lists of one query together. */
  readonly maxListValues: number;
}

export type Condition =
  | { readonly kind: 'and' | 'or'; readonly terms: readonly Condition[] }
  | { readonly kind: 'not'; readonly term: Condition }
  | Term
  | IdentifierTerm;

export interface Term {
  readonly kind: 'term';
  readonly name: string;
  readonly operator: Operator;
  readonly value: unknown;
  readonly namePointer: string;
  readonly operatorPointer: string;
  readonly valuePointer: string;
}

/** The identifier of an `idtype-value` query. */
export interface IdentifierTerm {
  readonly kind: 'identifier';
  readonly type: string;
  readonly value: unknown;
  readonly typePointer: string;
  readonly valuePointer: string;
}

/** Several conditions as one; a single one is itself. */
export function allOf(terms: readonly Condition[]): Condition {
  return join('and', terms);
}

export function anyOf(terms: readonly Condition[]): Condition {
  return join('or', terms);
}

function join(kind: 'and' | 'or', terms: readonly Condition[]): Condition {
  const [only, ...others] = terms;
  if (only === undefined) throw new Error('a condition needs terms');
  return others.length === 0 ? only : { kind, terms };
}

/** Every attribute name that a condition uses. */
export function listNames(condition: Condition): readonly string[] {
  switch (condition.kind) {
    case 'and':
    case 'or':
      return condition.terms.flatMap(listNames);
    case 'not':
      return listNames(condition.term);
    case 'term':
      return [condition.name];
    case 'identifier':
      return [condition.type];
  }
}
