import { sql } from 'kysely';
import type { Db } from './database.ts';

/** Where sealed bytes lie. */
export interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** Tells the rows apart. */
  readonly id: string;
  /** Another column whose text is needed to know what the bytes were sealed for. */
  readonly detail: string;
}

export interface SealedRow {
  readonly id: string;
  readonly detail: string;
  readonly sealed: Buffer;
}

/** All rows that hold something; they stay as they are until the transaction `db` ends. */
export async function loadSealed(db: Db, { table, column, id, detail }: SealedColumn): Promise<SealedRow[]> {
  const { rows } = await sql<SealedRow>`
    select ${sql.ref(id)}::text as id, ${sql.ref(detail)}::text as detail, ${sql.ref(column)} as sealed
    from ${sql.table(table)} where ${sql.ref(column)} is not null for update`.execute(db);
  return rows;
}

export async function replaceSealed(db: Db, { table, column, id }: SealedColumn, rowId: string, sealed: Buffer): Promise<void> {
  await sql`update ${sql.table(table)} set ${sql.ref(column)} = ${sealed} where ${sql.ref(id)}::text = ${rowId}`.execute(db);
}
