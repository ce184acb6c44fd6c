import { v7 as uuidv7 } from 'uuid';
import type { Profile, RecordType } from '../profiles/profile.ts';
import type { RecordIdentifier } from './identifier.ts';
import { type IdentifierProbe, probeKey } from './identifier-rows.ts';
import type { Problem } from './normalise.ts';
import type { PreparedRecord } from './prepare-record.ts';

/**
 * The records of one call, with the members they bring, and which record of the registry each of them means. What becomes
 * of them is planned in `put-records.ts`.
 */

/** What a writer takes for granted of a record; without an expectation it is created or updated, whatever is there. */
export type Expectation = 'absent' | { readonly version: number };

/** Why a record was not written: its document, identifiers that mean no record or several, or an expectation that did not hold. */
export type PutRefusalReason = 'invalid' | 'reference' | 'exists' | 'missing' | 'version';

export interface PutRefusal {
  readonly status: 'refused';
  readonly reason: PutRefusalReason;
  readonly problems: readonly Problem[];
  /** Of `version`: the one that the record has. */
  readonly currentVersion?: number;
}

export function refusePut(reason: PutRefusalReason, problems: readonly Problem[]): PutRefusal {
  return { status: 'refused', reason, problems };
}

/** One line of an import: a record and the members it brings or names. */
export interface Unit {
  readonly index: number;
  readonly root: Draft;
  readonly members: readonly MemberDraft[];
  readonly expected: Expectation | undefined;
}

export interface Draft {
  readonly recordType: RecordType;
  readonly identifiers: readonly RecordIdentifier[];
  /** Absent: a reference to a record that must be there. */
  readonly prepared?: PreparedRecord;
  readonly pointer: string;
}

interface MemberDraft extends Draft {
  readonly isHead: boolean;
}

export function toUnit(profile: Profile, record: PreparedRecord, index: number, expected: Expectation | undefined): Unit {
  const memberType = profile.recordTypes.find((type) => type.name === record.recordType.members?.recordType);
  return {
    index,
    expected,
    root: { recordType: record.recordType, identifiers: record.identifiers, prepared: record, pointer: '' },
    members: (record.members?.entries ?? []).map((entry) => ({
      recordType: entry.record?.recordType ?? memberType ?? record.recordType,
      identifiers: entry.identifiers,
      pointer: entry.pointer,
      isHead: entry.isHead,
      ...(entry.record && { prepared: entry.record }),
    })),
  };
}

/** As many units from the front as share no identifier. */
export function takeRound(units: readonly Unit[]): [Unit[], Unit[]] {
  const seen = new Set<string>();
  for (const [position, unit] of units.entries()) {
    const keys = draftsOf(unit).flatMap(probesOf).map(probeKey);
    if (position > 0 && keys.some((key) => seen.has(key))) return [units.slice(0, position), units.slice(position)];
    for (const key of keys) seen.add(key);
  }
  return [[...units], []];
}

export function draftsOf(unit: Unit): readonly Draft[] {
  return [...unit.members, unit.root];
}

export function probesOf(draft: Draft): IdentifierProbe[] {
  return draft.identifiers
    .filter((identifier) => identifier.isUnique)
    .map(({ type, value }) => ({ recordType: draft.recordType.name, type, value }));
}

export interface ResolvedUnit {
  readonly index: number;
  readonly root: Resolved;
  readonly members: readonly (Resolved & { readonly isHead: boolean })[];
  readonly expected: Expectation | undefined;
}

export interface Resolved {
  readonly draft: Draft;
  readonly id: string;
  readonly isNew: boolean;
}

export function resolveUnits(
  units: readonly Unit[],
  known: ReadonlyMap<string, string>,
  refuse: (index: number, refusal: PutRefusal) => void,
): { resolved: ResolvedUnit[]; deferred: Unit[] } {
  const taken = new Set<string>();
  const resolved: ResolvedUnit[] = [];
  const deferred: Unit[] = [];
  for (const unit of units) {
    const members = unit.members.map((draft) => ({ ...resolveDraft(draft, known), isHead: draft.isHead }));
    const root = resolveDraft(unit.root, known);
    const ids = [...members, root].map((draft) => draft.id);
    const problems = [...[...members, root].flatMap((draft) => draft.problems), ...findSameRecord(members)];
    if (problems.length > 0) refuse(unit.index, refusePut('reference', problems));
    else if (ids.some((id) => taken.has(id))) deferred.push(unit);
    else resolved.push({ index: unit.index, root, members, expected: unit.expected });
    for (const id of ids) taken.add(id);
  }
  return { resolved, deferred };
}

function resolveDraft(draft: Draft, known: ReadonlyMap<string, string>): Resolved & { problems: Problem[] } {
  const probes = probesOf(draft);
  const ids = [...new Set(probes.map((probe) => known.get(probeKey(probe))).filter((id) => id !== undefined))];
  const [id] = ids;
  const problems: Problem[] = [];
  if (ids.length > 1) problems.push({ pointer: draft.pointer, text: `its identifiers belong to ${ids.length} different records` });
  if (id === undefined && draft.prepared === undefined)
    problems.push({ pointer: draft.pointer, text: `refers to a ${draft.recordType.name} that is not in the registry` });
  return { draft, id: id ?? uuidv7(), isNew: id === undefined, problems };
}

function findSameRecord(members: readonly Resolved[]): Problem[] {
  const seen = new Set<string>();
  return members.flatMap(({ id, draft }) => {
    const isRepeated = seen.has(id);
    seen.add(id);
    return isRepeated ? [{ pointer: draft.pointer, text: 'is the same record as another member' }] : [];
  });
}
