import { DciError } from '@dci/protocol';
import type { Profile } from '../profiles/profile.ts';
import type { Db } from '../store/database.ts';
import { parseGivenConsent } from './consent-request.ts';
import { giveConsent } from './consents.ts';
import { readNdjson } from './read-ndjson.ts';

export interface ConsentImport {
  /** Who writes them down. */
  readonly by: string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly onRefused: (refused: { readonly line: number; readonly problem: string }) => void;
}

/** Writes down the consents of an NDJSON file, line by line; a line that cannot be is told and left out. */
export async function importConsents(
  db: Db,
  profile: Profile,
  source: AsyncIterable<Buffer>,
  { by, now, onRefused }: ConsentImport,
): Promise<{ given: number; refused: number }> {
  const report = { given: 0, refused: 0 };
  for await (const rows of readNdjson(source))
    for (const row of rows) {
      const problem = 'fault' in row ? row.fault : await give(db, profile, row.value, by, now());
      report[problem === undefined ? 'given' : 'refused'] += 1;
      if (problem !== undefined) onRefused({ line: row.line, problem });
    }
  return report;
}

/** What hinders it, in words. */
async function give(db: Db, profile: Profile, value: unknown, by: string, now: number): Promise<string | undefined> {
  try {
    const given = parseGivenConsent(value);
    await db.transaction().execute((transaction) => giveConsent(transaction, profile, given, by, now));
    return undefined;
  } catch (error) {
    if (!(error instanceof DciError)) throw error;
    return error.pointer === undefined ? error.message : `${error.pointer} ${error.message}`;
  }
}
