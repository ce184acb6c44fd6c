import { createHash } from 'node:crypto';
import { compileCover } from './compile-consent.ts';
import type { RowScope } from './compile-filter.ts';
import type { CompiledQuery, FoundRecord, SearchPlan } from './plan.ts';
import type { Row } from './reader.ts';
import type { Parameters } from './sql.ts';

/** How a record stands in a row: id, version and body; then, where consent is needed, the consents under which it is seen. */
export function listRecordColumns({ profile, alias, parameters, sight }: RowScope): readonly string[] {
  const columns = [`${alias}.id`, `${alias}.version`, `${alias}.body`];
  return sight?.consent === undefined ? columns : [...columns, `${compileCover(sight.consent, { profile, alias, parameters })} as cover`];
}

/** How many columns that is. */
export function recordWidth({ sight }: SearchPlan): number {
  return sight?.consent === undefined ? 3 : 4;
}

/** The record that begins a row. */
export function readRecord(plan: SearchPlan, [id, version, body, cover]: Row, recordType = plan.recordType.name): FoundRecord {
  const record = { id: text(id), version: Number(version), recordType, body: text(body) };
  return plan.sight?.consent === undefined ? record : { ...record, cover: text(cover) };
}

/** The row of the record that is answered. */
export function rowOf({ profile, recordType, sight }: SearchPlan, parameters: Parameters): RowScope {
  return { profile, recordType, alias: 'r', parameters, sight };
}

/** A statement worth preparing. What a partner may see changes its text: then the text is part of the name. */
export function nameQuery(name: string, { sight }: SearchPlan, sql: string, { values }: Parameters): CompiledQuery {
  const own = sight === undefined ? '' : `_${createHash('sha256').update(sql).digest('hex').slice(0, 12)}`;
  return { name: `${name}${own}`, sql, parameters: values };
}

function text(value: string | null | undefined): string {
  if (value === null || value === undefined) throw new Error('a column is null');
  return value;
}
