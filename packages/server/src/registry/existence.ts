import { DciError, type ExistsCriteria } from '@dci/protocol';
import { findIdentifierType } from '../profiles/index.ts';
import type { IdentifierType } from '../profiles/profile.ts';
import { coerceText } from './coerce.ts';
import { compileFilter } from './compile-filter.ts';
import { compileCover } from './compile-consent.ts';
import { fromIdentifier } from './look-up.ts';
import { getDefaultEntity } from './names.ts';
import { bindFilter } from './passes/bind-filter.ts';
import { resolveSubject } from './passes/resolve-subject.ts';
import type { CompiledQuery, Filter, SearchPlan } from './plan.ts';
import { childPointer } from './read-query/json.ts';
import type { Condition } from './read-query/query.ts';
import { readQuery } from './read-query/read-query.ts';
import type { Reader } from './reader.ts';
import { rowOf } from './record-columns.ts';
import { criteriaRefusal, filterRefusal } from './refusal.ts';
import { relateFilter } from './relate.ts';
import { applyPasses } from './search.ts';
import type { SearchContext } from './search-context.ts';
import { createParameters } from './sql.ts';

/**
 * Which of many identifiers are those of records: as many searches by one identifier each, made by one statement that
 * reads no record's text. It finds what they would find, under the same sight, and tells the identifiers alone.
 */
export interface ExistencePlan {
  /** As a search would have it that asks for all of them at once. */
  readonly plan: SearchPlan;
  readonly type: IdentifierType;
  /** The identifiers as they were asked for, in that order, each with the form in which it would be stored. */
  readonly asked: readonly AskedIdentifier[];
  readonly further: Filter | undefined;
}

export interface AskedIdentifier {
  readonly written: string;
  readonly value: string;
}

/** One record that has one of the identifiers. It may not leave: `disclosure/` makes of it what may. */
export interface FoundIdentifier {
  readonly value: string;
  readonly recordId: string;
  /** As in `FoundRecord`. */
  readonly cover?: string;
}

export interface ExistenceResult {
  readonly plan: ExistencePlan;
  readonly found: readonly FoundIdentifier[];
}

/** Plans a check, or throws a `DciError` with the item's reason code and the pointer of the fault. */
export function planExistence(criteria: ExistsCriteria, context: SearchContext): ExistencePlan {
  const { profile, pointer } = context;
  const typePointer = childPointer(pointer, 'identifier_type');
  const carrier = findIdentifierType(profile, criteria.identifier_type);
  const usual = profile.recordTypes.find(({ name }) => name === carrier?.recordType);
  const condition = readFurther(criteria, context);
  const named = criteria.reg_record_type ?? (usual && getDefaultEntity(usual).name);
  const naming = { ...(criteria.reg_type && { reg_type: criteria.reg_type }), ...(named && { reg_record_type: named }) };
  const subject = resolveSubject({ condition: condition ?? { kind: 'and', terms: [] } }, naming, context);
  const { recordType, entity } = subject;
  const type = findIdentifierType(profile, criteria.identifier_type, recordType.name);
  if (type === undefined) throw criteriaRefusal(`a ${entity.name} has no identifier of this type`, typePointer);
  if (recordType.members !== undefined && findIdentifierType(profile, type.code, recordType.members.recordType) !== undefined)
    throw criteriaRefusal(`a ${entity.name} is found by such identifiers of its members too; ask for these`, typePointer);
  const use = context.useOf(recordType, type);
  // Each value is a question of its own, and `further` compares nothing but what is given.
  if (use !== 'open' && use !== 'alone') throw filterRefusal('the identifier type is not open to you', typePointer);
  const valuesPointer = childPointer(pointer, 'identifier_values');
  const asked = criteria.identifier_values.map((written, index) => ({
    written,
    value: coerceText(written, type.code, childPointer(valuesPointer, index)),
  }));
  const identifier: Filter = {
    kind: 'identifier',
    recordType,
    type: type.code,
    operator: 'in',
    values: asked.map(({ value }) => value),
    pointer: valuesPointer,
  };
  const terms = condition === undefined ? [identifier] : [identifier, bindFilter(condition, subject, context)];
  const plan = applyPasses(
    { profile, recordType, entity, filter: { kind: 'and', terms }, sort: [], page: { size: 1, number: 1 }, maxMatches: asked.length },
    {},
    context,
  );
  return { plan, type, asked, further: plan.filter.kind === 'and' ? plan.filter.terms[1] : undefined };
}

/** In a list of its own, for no comparison in it stands alone. */
function readFurther({ query_type: queryType, query }: ExistsCriteria, { limits, pointer }: SearchContext): Condition | undefined {
  if (queryType === undefined && query === undefined) return undefined;
  if (queryType === undefined || query === undefined) throw criteriaRefusal('query_type and query go together', pointer);
  const read = readQuery({ query_type: queryType, query }, limits, pointer);
  if (read.collection !== undefined)
    throw criteriaRefusal('reg_record_type says what is asked for; leave out the collection', read.collection.pointer);
  return { kind: 'and', terms: [read.condition] };
}

/** The records that have one of the identifiers, each with that identifier. */
export async function executeExistence(reader: Reader, plan: ExistencePlan, gone: AbortSignal | undefined): Promise<ExistenceResult> {
  if (gone?.aborted === true) throw new DciError('err.request.timeout', 'the caller has gone');
  const rows = await reader.read(compileExistence(plan));
  const found = rows.map(([value, recordId, cover]): FoundIdentifier => {
    if (typeof value !== 'string' || typeof recordId !== 'string') throw new Error('a column is null');
    return { value, recordId, ...(typeof cover === 'string' ? { cover } : {}) };
  });
  return { plan, found };
}

export function compileExistence({ plan, type, asked, further }: ExistencePlan): CompiledQuery {
  const parameters = createParameters([type.code, [...new Set(asked.map(({ value }) => value))]]);
  const row = rowOf(plan, parameters);
  const consent = plan.sight?.consent;
  const cover = consent === undefined ? '' : `, ${compileCover(consent, row)}`;
  const more = further === undefined ? '' : ` and ${compileFilter(relateFilter(further, plan.recordType), row)}`;
  const sql = `select i.value, r.id${cover} ${fromIdentifier(plan, type, row)} and i.type = $1 and i.value = any($2::text[])${more}`;
  return { sql, parameters: parameters.values };
}
