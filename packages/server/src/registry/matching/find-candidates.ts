import { DciError, type MatchCriteria } from '@dci/protocol';
import type { RecordType } from '../../profiles/profile.ts';
import { compileSight } from '../compile-filter.ts';
import { resolveSubject } from '../passes/resolve-subject.ts';
import type { CompiledQuery, FoundRecord, SearchPlan } from '../plan.ts';
import { childPointer } from '../read-query/json.ts';
import type { Reader } from '../reader.ts';
import { listRecordColumns, readRecord, rowOf } from '../record-columns.ts';
import { criteriaRefusal, tooManyRefusal } from '../refusal.ts';
import { applyPasses } from '../search.ts';
import type { SearchContext } from '../search-context.ts';
import { createParameters, tableOf } from '../sql.ts';
import { blockKeys } from './block-keys.ts';
import { readWantedPerson, type WantedPerson } from './wanted-person.ts';

/**
 * The records that may be of a person: those that are in sight and meet the person under a key of the match index. A key
 * under which very many meet says little and is passed over.
 */
export interface MatchPlan {
  /** How the records are answered, and which may be seen. */
  readonly plan: SearchPlan;
  readonly wanted: WantedPerson;
  readonly keys: readonly bigint[];
  /** Least probability that is told. */
  readonly least: number;
  /** Most records that are told. */
  readonly most: number;
}

/** What was found. It may not leave: `disclosure/` compares it and makes of it what may. */
export interface Candidates {
  readonly plan: MatchPlan;
  readonly records: readonly FoundRecord[];
}

const MOST_UNDER_ONE_KEY = 100;
const USUAL = { least: 0.5, most: 5 };

/**
 * Plans a match, or throws a `DciError` with the item's reason code and the pointer of the fault. `prepareGiven`: whether
 * the partner is given a field as it is.
 */
export function planMatch(
  criteria: MatchCriteria,
  context: SearchContext,
  prepareGiven: (recordType: RecordType) => (path: string) => boolean,
): MatchPlan {
  const { profile, pointer } = context;
  const naming = {
    ...(criteria.reg_type !== undefined && { reg_type: criteria.reg_type }),
    ...(criteria.reg_record_type !== undefined && { reg_record_type: criteria.reg_record_type }),
  };
  const { recordType, entity } = resolveSubject({ condition: { kind: 'and', terms: [] } }, naming, context);
  const { least_probability: least = USUAL.least, most = USUAL.most } = criteria;
  const plan = applyPasses(
    {
      profile,
      recordType,
      entity,
      filter: { kind: 'records', recordType, ids: [] },
      sort: [],
      page: { size: 1, number: 1 },
      maxMatches: most,
    },
    {},
    context,
  );
  const place = childPointer(pointer, 'person');
  const wanted = readWantedPerson(recordType, entity, criteria.person, prepareGiven(recordType), place);
  const keys = blockKeys(wanted.subject);
  if (keys.length === 0)
    throw criteriaRefusal('say a name and the birth date, or given name, family name and where the person lives', place);
  return { plan, wanted, keys, least, most };
}

export async function findCandidates(reader: Reader, plan: MatchPlan, gone: AbortSignal | undefined): Promise<Candidates> {
  if (gone?.aborted === true) throw new DciError('err.request.timeout', 'the caller has gone');
  const rows = await reader.read(compileCandidates(plan));
  const groups = [...Map.groupBy(rows, ([place]) => place).values()];
  const telling = groups.filter((group) => group.length <= MOST_UNDER_ONE_KEY);
  if (groups.length > 0 && telling.length === 0) throw tooManyRefusal('too many persons may be meant; say more of this one');
  const records = telling.flat().map(([, ...row]) => readRecord(plan.plan, row));
  return { plan, records: [...new Map(records.map((record) => [record.id, record])).values()] };
}

/**
 * Rows of the place of a key, from 1, and a record. What the keys lead to is found before anything is judged: with the limit
 * in sight the planner would read the index as a list.
 */
export function compileCandidates({ plan, keys }: MatchPlan): CompiledQuery {
  const { profile, recordType } = plan;
  const parameters = createParameters([keys.map(String), profile.registry, recordType.name, MOST_UNDER_ONE_KEY + 1]);
  const row = rowOf(plan, parameters);
  const met = 'select m.record_id from match_index m where m.keys && array[q.key] and m.registry = $2 and m.record_type = $3 offset 0';
  const seen = compileSight(row).map((condition) => ` and ${condition}`);
  const record = `select ${listRecordColumns(row).join(', ')} from (${met}) k join ${tableOf(profile, recordType)} r on r.id = k.record_id${seen.join('')} limit $4`;
  const sql = `select q.place, f.* from unnest($1::bigint[]) with ordinality q (key, place) cross join lateral (${record}) f`;
  return { sql, parameters: parameters.values };
}
