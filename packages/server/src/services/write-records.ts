import { createHash, randomUUID } from 'node:crypto';
import { canonicalJson, DciError, readJson } from '@dci/protocol';
import type { AuditLog, Released } from '../disclosure/audit-log.ts';
import type { Profile } from '../profiles/profile.ts';
import { createLanes } from '../registry/lanes.ts';
import { inWriteTransaction } from '../registry/write.ts';
import { type WriteOperation, writeOperations, WriteRefused, type WriteResult } from '../registry/write-operations.ts';
import type { AuditEntry } from '../store/audit.ts';
import type { Database, Db } from '../store/database.ts';
import { claimWriteKey, keepWriteAnswer, type WriteRequestKey } from '../store/write-requests.ts';
import { assertWhole } from './assert-whole.ts';
import { findOpenRegistry, type ServedRegistries } from './open-registry.ts';
import type { Sender } from './receive-message.ts';
import { parseWriteRequest } from './write-request.ts';

/**
 * Changes of the registry by its own systems. One request is one transaction: all of its operations or none, the answer
 * kept under its key with them, and the audit row committed before they are.
 */
export interface WriteService {
  /**
   * @param mounted the registry of the path, where the path names one
   * @param key of the request, so that sending it again is safe
   * @throws DciError, WriteRefused or WriteKeyError; its audit row is committed by then
   */
  write(sender: Sender, mounted: Profile | undefined, bytes: Uint8Array, key: string | undefined): Promise<Written>;
}

export interface Written extends Released {
  /** The request was carried out before, and this is its answer of then. */
  readonly isRepeated: boolean;
}

/** The key cannot be taken: it is none, or belongs to a request with another content. */
export class WriteKeyError extends Error {
  override readonly name = 'WriteKeyError';
  readonly reason: 'key-invalid' | 'key-reused';

  constructor(reason: WriteKeyError['reason']) {
    super(`the key of a request to write cannot be taken: ${reason}`);
    this.reason = reason;
  }
}

export interface WriteServiceParts extends ServedRegistries {
  readonly db: Database['db'];
  readonly audit: AuditLog;
  /** Takes points beyond the one that every request costs; throws `err.request.too_many_requests`. */
  readonly charge: (sender: Sender, points: number) => Promise<void>;
}

/** A kind of thing that is written, by requests of one or more operations. */
export interface WriteKind<Operation> {
  /** What the audit trail calls it. */
  readonly action: string;
  /** Throws a `DciError` where the request is not understood. */
  readonly parse: (value: unknown) => ParsedWrites<Operation>;
  /** Within the transaction of the request; what is thrown undoes all of it. */
  readonly carryOut: (db: Db, profile: Profile, operations: readonly Operation[], sender: Sender) => Promise<CarriedOut>;
}

export interface ParsedWrites<Operation> {
  readonly regType: string | undefined;
  /** Names are found in the registry that is written to. */
  readonly read: (profile: Profile) => readonly Operation[];
}

export interface CarriedOut {
  /** What is answered of each operation. */
  readonly results: readonly object[];
  /** What the audit trail says of them, as JSON; nothing of what is in records. */
  readonly query: string;
}

/** Records: created, changed, deleted, linked and unlinked. */
export const RECORD_WRITES: WriteKind<WriteOperation> = {
  action: 'write',
  parse: parseWriteRequest,
  async carryOut(db, profile, operations, { partner }) {
    assertWhole(partner, profile.registry, 'writing');
    const results = await writeOperations(db, profile, operations);
    return { results: results.map(toWire), query: describeResults(results) };
  },
};

// Each holds a connection of the pool while its audit row, which needs another, is committed.
const WRITES_SIDE_BY_SIDE = 4;

const LONGEST_KEY = 255;

export function createWriteService<Operation>(parts: WriteServiceParts, kind: WriteKind<Operation>): WriteService {
  const describeWrite = (sender: Sender, registry: string, key: WriteRequestKey | undefined) =>
    describeRequest(sender, kind.action, registry, key);
  const lanes = createLanes(WRITES_SIDE_BY_SIDE);

  async function writeRequest(sender: Sender, profile: Profile, request: ParsedWrites<Operation>, key: WriteRequestKey | undefined) {
    const operations = request.read(profile);
    if (operations.length > 1) await parts.charge(sender, operations.length - 1);
    return await lanes.run('', () =>
      inWriteTransaction(parts.db, async (transaction): Promise<Written> => {
        const known = key && (await findAnswer(transaction, key));
        if (known !== undefined) {
          const entry = { ...describeWrite(sender, profile.registry, key), outcome: 'repeated', itemCount: operations.length };
          return { ...(await parts.audit.release(entry, async () => known)), isRepeated: true };
        }
        const { results, query } = await kind.carryOut(transaction, profile, operations, sender);
        const text = JSON.stringify({ results });
        if (key !== undefined) await keepWriteAnswer(transaction, key, text);
        const entry = { ...describeWrite(sender, profile.registry, key), outcome: 'written', itemCount: results.length };
        return { ...(await parts.audit.release({ ...entry, query }, async () => text)), isRepeated: false };
      }),
    );
  }

  return {
    async write(sender, mounted, bytes, givenKey) {
      let registry = mounted?.registry ?? '';
      let key: WriteRequestKey | undefined;
      try {
        const { value } = readJson(bytes);
        const request = kind.parse(value);
        const profile = findOpenRegistry(parts, sender.partner, mounted, request.regType);
        if (profile === undefined)
          throw new DciError('err.request.forbidden', 'reg_type does not name a registry that is open to you on this path', {
            pointer: '/reg_type',
          });
        registry = profile.registry;
        key = readKey(sender, `${kind.action} ${registry}`, value, givenKey);
        return await writeRequest(sender, profile, request, key);
      } catch (error) {
        const outcome = outcomeOf(error);
        if (outcome !== undefined)
          await parts.audit.release({ ...describeWrite(sender, registry, key), outcome, itemCount: 0 }, async () => '');
        throw error;
      }
    },
  };
}

/** Undefined: nobody's fault but ours. */
function outcomeOf(error: unknown): string | undefined {
  if (error instanceof DciError) return error.code;
  if (error instanceof WriteRefused) return error.refusal.reason;
  return error instanceof WriteKeyError ? error.reason : undefined;
}

/** The key may be quoted, as a string of a structured header field is. */
function readKey({ partner }: Sender, place: string, value: unknown, given: string | undefined): WriteRequestKey | undefined {
  if (given === undefined) return undefined;
  const [, , key] = /^("?)([!#-[\]-~]+)\1$/.exec(given) ?? [];
  if (key === undefined || key.length > LONGEST_KEY) throw new WriteKeyError('key-invalid');
  const requestHash = createHash('sha256')
    .update(`${place}\0${canonicalJson(value)}`)
    .digest();
  return { partnerId: partner.id, key, requestHash };
}

async function findAnswer(db: Db, key: WriteRequestKey): Promise<string | undefined> {
  const claim = await claimWriteKey(db, key);
  if (claim.status === 'claimed') return undefined;
  if (!claim.requestHash.equals(key.requestHash)) throw new WriteKeyError('key-reused');
  if (claim.answer === null) throw new Error('a request to write was committed without its answer');
  return claim.answer;
}

function toWire({ op, status, recordType, version }: WriteResult): object {
  return { op, status, record_type: recordType, version };
}

/** Which records were changed; nothing of what is in them. */
function describeResults(results: readonly WriteResult[]): string {
  return JSON.stringify(results.map(({ op, status, recordType, id, version }) => ({ op, status, record_type: recordType, id, version })));
}

function describeRequest(
  { partner, remoteAddress }: Sender,
  action: string,
  registry: string,
  key: WriteRequestKey | undefined,
): Omit<AuditEntry, 'outcome' | 'itemCount'> {
  return {
    partnerId: partner.id,
    partnerRevision: partner.revision,
    senderId: partner.senderId,
    remoteAddress,
    action,
    registry,
    messageId: key?.key ?? randomUUID(),
    ...(partner.legalBasis === undefined ? {} : { legalBasis: partner.legalBasis }),
    purposes: partner.purposes,
    recordCount: 0,
    disclosed: [],
  };
}
