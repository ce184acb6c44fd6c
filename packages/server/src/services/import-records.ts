import type { Profile } from '../profiles/profile.ts';
import type { Problem } from '../registry/normalise.ts';
import { type PreparedRecord, prepareRecord } from '../registry/prepare-record.ts';
import { refreshStatistics } from '../registry/statistics.ts';
import { putPrepared } from '../registry/write.ts';
import type { Db } from '../store/database.ts';
import type { ImportRow } from './import-rows.ts';

/**
 * Brings a file of records into a registry, in batches of about a thousand, each a transaction: a line is there with all
 * it brings, or not at all, whenever the work is broken off; starting it again ends in the same state. A line that cannot
 * be taken is told and left out, and harms no other.
 */
export interface ImportReport {
  readonly lines: number;
  readonly refused: number;
  /** Records, members of groups among them. */
  readonly created: number;
  readonly updated: number;
  readonly unchanged: number;
}

export interface RefusedLine {
  readonly line: number;
  readonly problems: readonly Problem[];
}

export interface ImportOptions {
  /** Record type or entity of lines that do not say it. */
  readonly typeName?: string;
  readonly onRefused: (refused: RefusedLine) => void;
  /** Lines that are decided. */
  readonly onProgress?: (lines: number) => void;
}

interface PreparedLine {
  readonly line: number;
  readonly record: PreparedRecord;
}

const BATCH_RECORDS = 1_000;

export async function importRecords(
  db: Db,
  profile: Profile,
  source: AsyncIterable<readonly ImportRow[]>,
  options: ImportOptions,
): Promise<ImportReport> {
  const report = { lines: 0, refused: 0, created: 0, updated: 0, unchanged: 0 };
  const refuse = (line: number, problems: readonly Problem[]): void => {
    report.refused += 1;
    options.onRefused({ line, problems });
  };
  const write = async (batch: readonly PreparedLine[]): Promise<void> => {
    await writeBatch(db, profile, batch, report, refuse);
    options.onProgress?.(report.lines);
  };
  // While one batch is written the next is read and checked.
  let writing: Promise<void> = Promise.resolve();
  let batch: PreparedLine[] = [];
  let weight = 0;
  const flush = async (): Promise<void> => {
    await writing;
    writing = write(batch);
    writing.catch(() => undefined);
    batch = [];
    weight = 0;
  };
  try {
    for await (const rows of source) {
      for (const row of rows) {
        report.lines += 1;
        const line = prepareLine(profile, row, options.typeName, refuse);
        if (line === undefined) continue;
        batch.push(line);
        weight += 1 + (line.record.members?.entries.length ?? 0);
        if (weight >= BATCH_RECORDS) await flush();
      }
    }
    await flush();
  } finally {
    await writing;
  }
  if (report.created + report.updated >= BATCH_RECORDS) await refreshStatistics(db, profile);
  return report;
}

type Refuse = (line: number, problems: readonly Problem[]) => void;

function prepareLine(profile: Profile, row: ImportRow, typeName: string | undefined, refuse: Refuse): PreparedLine | undefined {
  if ('fault' in row) {
    refuse(row.line, [{ pointer: '', text: row.fault }]);
    return undefined;
  }
  const prepared = prepareRecord(profile, row.value, typeName);
  if (prepared.ok) return { line: row.line, record: prepared.record };
  refuse(row.line, prepared.problems);
  return undefined;
}

type Counts = { -readonly [K in keyof ImportReport]: number };

/** A batch that the database refuses is halved until the line that it refuses is alone. */
async function writeBatch(db: Db, profile: Profile, batch: readonly PreparedLine[], report: Counts, refuse: Refuse): Promise<void> {
  try {
    const results = await putPrepared(
      db,
      profile,
      batch.map((line) => line.record),
    );
    for (const [index, result] of results.entries()) {
      if (result.status === 'refused') refuse(batch[index]?.line ?? 0, result.problems);
      else for (const count of ['created', 'updated', 'unchanged'] as const) report[count] += result.counts[count];
    }
  } catch (error) {
    if (!isRefusedByDatabase(error)) throw error;
    const [only] = batch;
    if (only !== undefined && batch.length === 1)
      return refuse(only.line, [{ pointer: '', text: `was refused by the database: ${error.message}` }]);
    const half = Math.ceil(batch.length / 2);
    await writeBatch(db, profile, batch.slice(0, half), report, refuse);
    await writeBatch(db, profile, batch.slice(half), report, refuse);
  }
}

// What lies in the data: data exception, constraint violation, program limit exceeded (PostgreSQL, appendix A).
const DATA_FAULT = /^(22|23|54)/;

function isRefusedByDatabase(error: unknown): error is Error {
  const code: unknown = error instanceof Error ? (error as { code?: unknown }).code : undefined;
  return typeof code === 'string' && DATA_FAULT.test(code);
}
