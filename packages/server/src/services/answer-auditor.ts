import { randomUUID } from 'node:crypto';
import { DciError } from '@dci/protocol';
import type { Pool } from 'pg';
import { type AuditLog, type Released, WithheldError } from '../disclosure/audit-log.ts';
import type { Profile } from '../profiles/profile.ts';
import { findRecordIdsEver, type IdentifierHash } from '../registry/find-record-ids-ever.ts';
import { openPosition, type Seal, sealPosition } from '../registry/sealed-position.ts';
import type { AuditEntry, Disclosure } from '../store/audit.ts';
import { loadCheckpoints } from '../store/audit-checkpoints.ts';
import { writeRowLine } from '../store/audit-row.ts';
import type { Db } from '../store/database.ts';
import type { Partner } from '../store/partners.ts';
import { type AuditFilter, type AuditPosition, readAuditPage } from '../store/read-audit.ts';
import { assertWhole, isWhole } from './assert-whole.ts';
import { type AuditQuestion, readAuditQuestion, readCheckpointQuestion, readPersonQuestion } from './audit-question.ts';
import type { Sender } from './receive-message.ts';

/**
 * What an auditor reads of the audit trail: rows about the registries that are open to him as a whole, and checkpoints.
 * Rows name records by their ids, whoever may see those, and hold no personal data. That he read is a row of the trail as
 * well, committed before he is answered; refusals are rows too.
 */
export interface AuditorService {
  entries(sender: Sender, parameters: Readonly<Record<string, unknown>>): Promise<Released>;
  /** Who saw a person, by an identifier that the record has or ever had. */
  person(sender: Sender, bytes: Uint8Array): Promise<Released>;
  checkpoints(sender: Sender, parameters: Readonly<Record<string, unknown>>): Promise<Released>;
}

export interface AuditorServiceParts {
  readonly pool: Pool;
  readonly db: Db;
  readonly audit: AuditLog;
  readonly profiles: readonly Profile[];
  readonly cursorKey: Buffer;
  readonly hashIdentifier: IdentifierHash;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

interface Found {
  /** Canonical text of the answer. */
  readonly text: string;
  readonly count: number;
  /** What was asked, for the row about it; identifiers are hashed. */
  readonly query: object;
  readonly registry?: string;
  readonly disclosed?: readonly Disclosure[];
}

export function createAuditorService(parts: AuditorServiceParts): AuditorService {
  /** Runs one question, and lets its answer go when its own row is committed. */
  async function answer(sender: Sender, ask: () => Promise<Found>): Promise<Released> {
    try {
      assertBasis(sender);
      const { text, count, query, registry = '', disclosed = [] } = await ask();
      const entry = {
        ...describeReading(parts, sender, 'answered'),
        registry,
        query: JSON.stringify(query),
        recordCount: count,
        disclosed,
      };
      return await parts.audit.release(entry, async () => text);
    } catch (error) {
      if (error instanceof WithheldError)
        throw new DciError('err.service.unavailable', 'the registration of this partner has just changed; ask again', { cause: error });
      if (error instanceof DciError) await parts.audit.release(describeReading(parts, sender, error.code), async () => '');
      throw error;
    }
  }

  return {
    entries: (sender, parameters) => answer(sender, () => findEntries(parts, sender, readAuditQuestion(parameters))),
    person: (sender, bytes) => answer(sender, () => findOfPerson(parts, sender, bytes)),
    checkpoints: (sender, parameters) =>
      answer(sender, async () => {
        const { after, limit } = readCheckpointQuestion(parameters);
        const checkpoints = await loadCheckpoints(parts.pool, after + 1, limit);
        const text = JSON.stringify({ checkpoints: checkpoints.map(({ number, at, jws }) => ({ number, at, jws })) });
        return { text, count: checkpoints.length, query: { checkpoints: { after, limit } } };
      }),
  };
}

function assertBasis({ partner }: Sender): void {
  if (partner.legalBasis === undefined || partner.legalBasis === '')
    throw new DciError('err.request.forbidden', 'no legal basis is registered for this partner; ask the operator of this registry');
}

async function findEntries(parts: AuditorServiceParts, sender: Sender, question: AuditQuestion): Promise<Found> {
  const { cursor, limit, since, until, partner, action, outcome, record } = question;
  const asked = { since, until, partner, action, outcome, record };
  const filter = { since, until, senderId: partner, action, outcome, ...(record !== undefined && { records: [record] }) };
  const { text, count } = await readPage(parts, sender, { filter, limit, cursor, asked });
  return { text, count, query: { entries: { ...asked, limit } } };
}

async function findOfPerson(parts: AuditorServiceParts, sender: Sender, bytes: Uint8Array): Promise<Found> {
  const { registry, identifier, since, until, limit, cursor } = readPersonQuestion(parts.profiles, bytes);
  if (!sender.partner.registries.has(registry))
    throw new DciError('err.request.forbidden', 'this registry is not open to you', { pointer: '/registry' });
  assertWhole(sender.partner, registry, 'its audit trail');
  const records = await findRecordIdsEver(parts.db, registry, identifier, parts.hashIdentifier);
  const hash = parts.hashIdentifier(registry, identifier).toString('base64url').slice(0, 22);
  const asked = { person: { [identifier.type]: hash }, since, until };
  const { text, count } = await readPage(parts, sender, { filter: { since, until, records }, limit, cursor, asked });
  return { text, count, query: { ...asked, limit }, registry, disclosed: [{ entity: identifier.recordType, records }] };
}

interface PageOrder {
  readonly filter: AuditFilter;
  readonly limit: number;
  readonly cursor: string | undefined;
  /** What the cursor is bound to, beside the partner. */
  readonly asked: object;
}

/** The newest first. */
async function readPage(
  parts: AuditorServiceParts,
  { partner }: Sender,
  { filter, limit, cursor, asked }: PageOrder,
): Promise<{ text: string; count: number }> {
  const seal: Seal = { key: parts.cursorKey, use: 'audit', binding: [partner.id, asked] };
  const after = cursor === undefined ? undefined : (openPosition(cursor, seal) as AuditPosition | undefined);
  if (cursor !== undefined && after === undefined)
    throw new DciError('err.request.bad', 'the cursor is not one of this question', { pointer: '/cursor' });
  const registries = listWhole(partner);
  const page = await readAuditPage(parts.pool, { ...filter, registries }, { size: limit, after, newestFirst: true });
  const next = page.next === undefined ? '' : `,"next_cursor":"${sealPosition(page.next, seal)}"`;
  return { text: `{"entries":[${page.rows.map(writeRowLine).join(',')}]${next}}`, count: page.rows.length };
}

/** Of which the trail may be read. */
function listWhole(partner: Partner): readonly string[] {
  const registries = [...partner.registries].filter((registry) => isWhole(partner, registry));
  if (registries.length === 0 && partner.registries.size > 0)
    throw new DciError('err.request.forbidden', 'your agreement covers parts of registries; an audit trail is open to the whole only');
  return registries;
}

// The claim, of an id that nobody uses again, makes sure that the partner is still as it was when it passed the gate.
function describeReading({ now }: AuditorServiceParts, { partner, remoteAddress }: Sender, outcome: string): AuditEntry {
  return {
    partnerId: partner.id,
    partnerRevision: partner.revision,
    senderId: partner.senderId,
    remoteAddress,
    action: 'audit/read',
    registry: '',
    messageId: randomUUID(),
    ...(outcome === 'answered' && { claimUntil: now() / 1000 + 60 }),
    ...(partner.legalBasis !== undefined && { legalBasis: partner.legalBasis }),
    purposes: partner.purposes,
    outcome,
    itemCount: 1,
    recordCount: 0,
    disclosed: [],
  };
}
