import { type Static, Type } from 'typebox';
import { OpenObject } from './formats.ts';

/**
 * The forms in which a search or a subscription says which records it is about. Only form is judged: what an attribute
 * is called and which operators it has is the registry's to say, item by item.
 */

/** Query types of the standard; `graphql` is read in searches too, although some registries' lists lack it. */
export const QUERY_TYPES = ['idtype-value', 'expression', 'predicate', 'graphql'] as const;

/** Operators of a predicate; `gte`, `lte` and `ne` are read beside the published `ge` and `le`. */
export const PREDICATE_OPERATORS = ['gt', 'lt', 'eq', 'ge', 'le', 'in', 'gte', 'lte', 'ne'] as const;

/** How a predicate's two expressions go together; `not` negates what follows it. */
export const PREDICATE_CONDITIONS = ['and', 'or', 'not'] as const;

const Condition = Type.Enum(PREDICATE_CONDITIONS);

const PlainValue = Type.Union([Type.String(), Type.Number(), Type.Boolean()], { description: 'a string, number or boolean' });

/** A value to compare with: one, a list (`in`), or an object, which the published schema lets through and no attribute takes. */
export type PredicateValue = Static<typeof PredicateValue>;
export const PredicateValue = Type.Union([PlainValue, Type.Array(PlainValue), OpenObject], {
  description: 'a string, number or boolean, or a list of them',
});

/**
 * One comparison of a predicate.
 *
 * Source: `SubscriptionInfo.filter`, third form, of the SPDCI OpenAPI 1.0.0; integers and lists are read as well.
 *
 * @example
 * const expression: PredicateExpression = { attribute_name: 'age', operator: 'lt', attribute_value: 25 };
 */
export type PredicateExpression = Static<typeof PredicateExpression>;
export const PredicateExpression = Type.Object({
  attribute_name: Type.String(),
  operator: Type.Enum(PREDICATE_OPERATORS),
  attribute_value: PredicateValue,
});

/**
 * One row of a predicate: `expression1`, or `expression1 condition expression2`. Rows are taken in the order of `seq_num` and join by `and`.
 * Published samples go on with `expression3` and so on and repeat `condition`, which is then a list of its values. The
 * published schema lets such members through, so whoever plans the query refuses a row that has more than it understands.
 *
 * Source: `SubscriptionInfo.filter`, third form, of the SPDCI OpenAPI 1.0.0.
 *
 * @example
 * const row: PredicateRow = {
 *   seq_num: 1,
 *   expression1: { attribute_name: 'age', operator: 'lt', attribute_value: 25 },
 *   condition: 'and',
 *   expression2: { attribute_name: 'sex', operator: 'eq', attribute_value: 'female' },
 * };
 */
export type PredicateRow = Static<typeof PredicateRow>;
export const PredicateRow = Type.Object({
  seq_num: Type.Optional(Type.Number()),
  expression1: PredicateExpression,
  condition: Type.Optional(Type.Union([Condition, Type.Array(Condition)], { description: 'one of and, or, not' })),
  expression2: Type.Optional(PredicateExpression),
});

/**
 * A query that is one object: an identifier (`{type: 'UIN', value: '847951632'}`), an expression
 * (`{type, value: {expression: {collection, query}}}`), or a registry's own form, whose members are not listed here.
 *
 * Source: `SubscriptionInfo.filter`, first and second form, of the SPDCI OpenAPI 1.0.0. Both members may be absent there,
 * so whoever plans the query refuses what makes no sense.
 *
 * @example
 * const query: TypedQuery = { type: 'UIN', value: '847951632' };
 */
export type TypedQuery = Static<typeof TypedQuery>;
export const TypedQuery = Type.Object({
  type: Type.Optional(Type.String()),
  value: Type.Optional(
    Type.Union([Type.String(), Type.Number(), Type.Boolean(), OpenObject], {
      description: 'a string, number, boolean or object',
    }),
  ),
});

/** What is asked: an object, or the rows of a predicate. */
export type Query = Static<typeof Query>;
export const Query = Type.Union([TypedQuery, Type.Array(PredicateRow)], {
  description: 'an object, or a list of predicate rows',
});
