import type { Profile, RecordType } from '../profiles/profile.ts';
import { compileSeen } from './compile-filter.ts';
import type { Reader } from './reader.ts';
import type { Sight } from './sight.ts';
import { createParameters, tableOf } from './sql.ts';

/** Which of these records are there, and in sight. */
export async function readSeen(
  reader: Reader,
  profile: Profile,
  recordType: RecordType,
  ids: readonly string[],
  sight: Sight | undefined,
): Promise<string[]> {
  const parameters = createParameters();
  const row = { profile, recordType, alias: 'r', parameters, sight };
  const condition = compileSeen(`r.id = any(${parameters.bind(ids, 'uuid[]')})`, row);
  const rows = await reader.read({
    sql: `select r.id from ${tableOf(profile, recordType)} r where ${condition}`,
    parameters: parameters.values,
  });
  return rows.flatMap(([id]) => (typeof id === 'string' ? [id] : []));
}
