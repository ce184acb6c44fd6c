import { DciError, readJson } from '@dci/protocol';
import { findIdentifierType, findProfile } from '../profiles/index.ts';
import type { Profile } from '../profiles/profile.ts';
import type { IdentifierProbe } from '../registry/identifier-rows.ts';
import { readTimestamp } from '../registry/timestamp.ts';

/** What an auditor asks, read strictly: what is not understood is refused, never left out. */

export interface AuditQuestion {
  readonly since?: Date;
  readonly until?: Date;
  readonly partner?: string;
  readonly action?: string;
  readonly outcome?: string;
  /** Id of a record, as audit rows name it. */
  readonly record?: string;
  readonly limit: number;
  readonly cursor?: string;
}

export interface PersonQuestion extends Pick<AuditQuestion, 'since' | 'until' | 'limit' | 'cursor'> {
  readonly registry: string;
  readonly identifier: IdentifierProbe;
}

export interface CheckpointQuestion {
  /** After the checkpoint of that number. */
  readonly after: number;
  readonly limit: number;
}

type Members = Readonly<Record<string, unknown>>;

const USUAL_LIMIT = 100;
const MOST = 500;
const LONGEST_TEXT = 500;

/** Throws `err.request.bad`. */
export function readAuditQuestion(parameters: Members): AuditQuestion {
  refuseUnknown(parameters, ['since', 'until', 'partner', 'action', 'outcome', 'record', 'limit', 'cursor']);
  return {
    ...readPaging(parameters),
    ...optional('partner', readText(parameters, 'partner')),
    ...optional('action', readText(parameters, 'action')),
    ...optional('outcome', readText(parameters, 'outcome')),
    ...optional('record', readRecord(parameters)),
  };
}

/** Throws `err.request.bad`. */
export function readPersonQuestion(profiles: readonly Profile[], bytes: Uint8Array): PersonQuestion {
  const { value } = readJson(bytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw refuse('', 'send an object');
  const members = value as Members;
  refuseUnknown(members, ['registry', 'identifier_type', 'identifier_value', 'since', 'until', 'limit', 'cursor']);
  const profile = findProfile(profiles, readText(members, 'registry') ?? '');
  if (profile === undefined) throw refuse('registry', 'there is no such registry');
  const type = findIdentifierType(profile, readText(members, 'identifier_type') ?? '');
  if (type === undefined) throw refuse('identifier_type', 'the registry has no such identifier');
  const identifier = readText(members, 'identifier_value');
  if (identifier === undefined) throw refuse('identifier_value', 'is missing');
  return {
    ...readPaging(members),
    registry: profile.registry,
    identifier: { recordType: type.recordType, type: type.code, value: identifier },
  };
}

/** Throws `err.request.bad`. */
export function readCheckpointQuestion(parameters: Members): CheckpointQuestion {
  refuseUnknown(parameters, ['after', 'limit']);
  return { after: readNumber(parameters, 'after', 0, Number.MAX_SAFE_INTEGER) ?? 0, limit: readLimit(parameters) };
}

function readPaging(members: Members): Pick<AuditQuestion, 'since' | 'until' | 'limit' | 'cursor'> {
  return {
    limit: readLimit(members),
    ...optional('since', readTime(members, 'since')),
    ...optional('until', readTime(members, 'until')),
    ...optional('cursor', readText(members, 'cursor', 5_000)),
  };
}

function optional<K extends string, T>(name: K, value: T | undefined): { [P in K]?: T } {
  return (value === undefined ? {} : { [name]: value }) as { [P in K]?: T };
}

function refuseUnknown(members: Members, known: readonly string[]): void {
  if (Object.keys(members).some((name) => !known.includes(name))) throw refuse('', `only these may be given: ${known.join(', ')}`);
}

function readText(members: Members, name: string, longest = LONGEST_TEXT): string | undefined {
  const value = members[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '' || value.length > longest || value.includes('\0'))
    throw refuse(name, 'must be one text that is not empty');
  return value;
}

function readTime(members: Members, name: string): Date | undefined {
  const text = readText(members, name);
  if (text === undefined) return undefined;
  const moment = readTimestamp(text);
  if (moment === undefined) throw refuse(name, 'must be a timestamp with its zone, e.g. 2026-11-01T00:00:00Z');
  return new Date(moment);
}

function readRecord(members: Members): string | undefined {
  const text = readText(members, 'record');
  if (text !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text))
    throw refuse('record', 'must be the id of a record, as entries name it');
  return text;
}

function readLimit(members: Members): number {
  return readNumber(members, 'limit', 1, MOST) ?? USUAL_LIMIT;
}

function readNumber(members: Members, name: string, least: number, most: number): number | undefined {
  const value = members[name];
  if (value === undefined) return undefined;
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < least || number > most)
    throw refuse(name, `must be a whole number from ${least} to ${most}`);
  return number;
}

function refuse(name: string, text: string): DciError {
  return new DciError('err.request.bad', name === '' ? text : `${name} ${text}`, { pointer: name === '' ? '' : `/${name}` });
}
