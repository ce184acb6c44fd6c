import { randomBytes, randomUUID } from 'node:crypto';
import {
  CONTENT_KEY_BYTES,
  DciError,
  type EncryptionKey,
  EXTRACT_MANIFEST_VERSION,
  type ExportItem,
  type ExtractFormat,
  type ExtractManifest,
  NONCE_PREFIX_BYTES,
  SEGMENT_BYTES,
  type SigningKey,
  signExtractManifest,
  wrapContentKey,
} from '@dci/protocol';
import { type AuditLog, WithheldError } from '../disclosure/audit-log.ts';
import { type DisclosedExtract, discloseExtract, type ExtractProtection, MOST_LEFT_OUT } from '../disclosure/disclose-extract.ts';
import type { Grant } from '../disclosure/grant.ts';
import { writeLegalBasis } from '../disclosure/legal-basis.ts';
import type { QueryDescriber } from '../disclosure/query-description.ts';
import { countRecords } from '../registry/counting/count-cells.ts';
import type { CountPlan } from '../registry/counting/plan-count.ts';
import { streamRows } from '../registry/counting/stream-rows.ts';
import { type Snapshot, withSnapshot } from '../registry/snapshot.ts';
import { findNextConsentEnd } from '../store/consents.ts';
import type { Database } from '../store/database.ts';
import { deleteExtract, finishExtract, insertExtract, insertSegment, type NewExtract, noteWritten } from '../store/extracts.ts';
import type { Partner } from '../store/partners.ts';
import type { Transaction } from '../store/transactions.ts';
import { claimPart } from './async-action.ts';
import { digestTerms } from './extract-terms.ts';
import { createRowWriter, PSEUDONYM_COLUMN } from './extract-rows.ts';
import { packIds } from './packed-ids.ts';
import { sealContent, type SealedContent } from './seal-content.ts';
import { describeItems, describeSender } from './search-audit.ts';

/**
 * Makes an extract: counts and reads one state of the registry, writes the rows, compresses them and seals them to the
 * partner's key, a segment at a time, so that it takes as little memory for a million records as for a thousand. Then the
 * records that are in it are put on record, and only then can it be fetched. Whatever fails or is broken off before leaves
 * nothing that could be; the next try begins anew.
 */
export interface ExtractMaker {
  make(wanted: WantedExtract): Promise<void>;
}

export interface WantedExtract {
  readonly transaction: Transaction;
  readonly partner: Partner;
  readonly grant: Grant;
  readonly item: ExportItem;
  readonly plan: CountPlan;
  readonly purpose: string | undefined;
  readonly signal: AbortSignal;
}

export interface ExtractMakerParts {
  readonly database: Database;
  readonly protection: ExtractProtection;
  readonly audit: AuditLog;
  readonly describeQuery: QueryDescriber;
  readonly activeKey: () => SigningKey;
  /** Our name in messages. */
  readonly senderId: string;
  readonly extractLifetimeDays: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** The making reads all records, and sorts those of the extract. */
const STATEMENT_TIMEOUT_MS = 900_000;
const DAY_MS = 86_400_000;
/** Records of one row of the audit trail. */
const RECORDS_A_ROW = 5_000;

export function createExtractMaker(parts: ExtractMakerParts): ExtractMaker {
  const { database, protection, audit, activeKey } = parts;
  const { db } = database;

  async function fill(id: string, wanted: WantedExtract, snapshot: Snapshot, extract: DisclosedExtract, seal: Seal) {
    const { plan, item, signal } = wanted;
    const writer = createRowWriter(item.export_criteria.format ?? USUAL_FORMAT, extract);
    const ids = packIds();

    async function* writeRows(): AsyncGenerator<string> {
      yield writer.head;
      for await (const rows of streamRows(snapshot, plan, extract.cells, extract.order)) {
        signal.throwIfAborted();
        const given = extract.give(rows);
        ids.add(given.recordIds);
        yield writer.write(given);
        await noteWritten(db, id, ids.count());
      }
    }

    const content = await sealContent(writeRows(), seal, (number, sealed) => insertSegment(db, id, number, sealed));
    if (ids.count() !== extract.records) throw new Error(`an extract of ${extract.records} records has ${ids.count()} rows`);
    return { content, ids };
  }

  /** Throws a `WithheldError` where the partner has changed meanwhile. */
  async function putOnRecord(id: string, wanted: WantedExtract, extract: DisclosedExtract, batches: Iterable<readonly string[]>) {
    const { transaction, partner, grant, item, plan, purpose } = wanted;
    const { transactionId, correlationId, remoteAddress } = transaction;
    const query = {
      ...parts.describeQuery(plan),
      dimensions: extract.columns.map(({ name }) => name),
      threshold: extract.threshold,
      extract: id,
    };
    const described = describeItems({ grant, transactionId, correlationId, outcomes: [{ item, purpose }] }, () => ({
      profile: plan.profile,
      query,
    }));
    for (const records of batches) {
      const entry = {
        ...describeSender({ partner, remoteAddress }, 'export'),
        ...described,
        recordCount: records.length,
        disclosed: [{ entity: plan.entity.name, records }],
        ...claimPart(parts.now()),
      };
      await audit.release(entry, async () => '');
    }
  }

  return {
    async make(wanted) {
      const { partner, signal } = wanted;
      const key = newestKey(partner);
      const id = randomUUID();
      const seal = { key: randomBytes(CONTENT_KEY_BYTES), noncePrefix: randomBytes(NONCE_PREFIX_BYTES) };
      try {
        const { begun, extract, content, ids } = await withSnapshot(
          database,
          { statementTimeoutMs: STATEMENT_TIMEOUT_MS, signal },
          async (snapshot) => {
            const counted = await countRecords(snapshot, wanted.plan, snapshot.at.getTime());
            const disclosed = await discloseExtract(protection, wanted.grant, counted, partner.limits.statisticsThreshold);
            const row = await describeBegun(parts, wanted, { id, kid: key.kid, madeAt: snapshot.at, expected: disclosed.records });
            await insertExtract(db, row);
            return { begun: row, extract: disclosed, ...(await fill(id, wanted, snapshot, disclosed, seal)) };
          },
        );
        const manifest: ExtractManifest = {
          ...describeExtract(wanted, extract, content),
          extract_id: id,
          sender_id: parts.senderId,
          made_at: begun.madeAt.toISOString(),
          expires_at: begun.expiresAt.toISOString(),
          encryption: {
            alg: 'A256GCM',
            nonce_prefix: seal.noncePrefix.toString('base64url'),
            key: await wrapContentKey(seal.key, key),
          },
        };
        await putOnRecord(id, wanted, extract, ids.batches(RECORDS_A_ROW));
        const made = { ...content, manifest: await signExtractManifest(manifest, activeKey()) };
        if (!(await finishExtract(db, id, partner.revision, made))) throw new WithheldError('stale');
      } catch (error) {
        await deleteExtract(db, id).catch(() => undefined);
        throw error;
      }
    },
  };
}

const USUAL_FORMAT: ExtractFormat = 'ndjson';

interface Seal {
  readonly key: Buffer;
  readonly noncePrefix: Buffer;
}

/** The key of the partner to which an extract is encrypted. Throws `err.encryption.invalid` where there is none. */
export function newestKey({ encryptionKeys }: Pick<Partner, 'encryptionKeys'>): EncryptionKey {
  const key = [...encryptionKeys.values()].at(-1);
  if (key !== undefined) return key;
  throw new DciError(
    'err.encryption.invalid',
    'an extract is encrypted to you, and no key of yours is registered for that: have the operator of this registry register one, or publish it at your address of keys with the use "enc"',
  );
}

type Beginning = Pick<NewExtract, 'id' | 'kid' | 'madeAt' | 'expected'>;

async function describeBegun(parts: ExtractMakerParts, wanted: WantedExtract, beginning: Beginning): Promise<NewExtract> {
  const { transaction, partner, plan } = wanted;
  return {
    ...beginning,
    transactionId: transaction.id,
    partnerId: partner.id,
    registry: plan.profile.registry,
    terms: digestTerms(partner, plan.profile.registry),
    byConsent: plan.sight?.consent !== undefined,
    expiresAt: await decideExpiry(parts, wanted, beginning.madeAt),
  };
}

/** No consent under which it was made ends before it does. */
async function decideExpiry({ database, extractLifetimeDays }: ExtractMakerParts, { plan, grant }: WantedExtract, at: Date): Promise<Date> {
  const usual = new Date(at.getTime() + extractLifetimeDays * DAY_MS);
  if (plan.sight?.consent === undefined) return usual;
  const ends = await findNextConsentEnd(database.db, plan.profile.registry, grant.recipients);
  return ends === undefined || ends > usual ? usual : ends;
}

type Described = Omit<ExtractManifest, 'extract_id' | 'sender_id' | 'made_at' | 'expires_at' | 'encryption'>;

function describeExtract(wanted: WantedExtract, extract: DisclosedExtract, content: SealedContent): Described {
  const { transaction, partner, grant, item, plan, purpose } = wanted;
  const { query_type, query, format = USUAL_FORMAT } = item.export_criteria;
  const grid = plan.grid.map(({ name }) => name);
  return {
    version: EXTRACT_MANIFEST_VERSION,
    transaction_id: transaction.transactionId,
    reference_id: item.reference_id,
    recipient: partner.senderId,
    registry: plan.profile.registry,
    record_type: plan.entity.name,
    format,
    compression: 'gzip',
    columns: extract.columns.map(({ name, attribute, banding, within }) => ({
      name,
      attribute,
      banding: typeof banding === 'string' ? banding : { ...banding, bounds: [...banding.bounds] },
      ...(within === undefined ? {} : { within }),
    })),
    ...(extract.hasPseudonyms ? { pseudonym: { name: PSEUDONYM_COLUMN, keyed_by: ['partner', 'columns'], columns: grid } } : {}),
    filter: { query_type, query },
    ...(purpose === undefined ? {} : { purpose }),
    legal_basis: writeLegalBasis(grant.legalBasis),
    field_rule: grant.rule.name,
    k_anonymity: {
      k: extract.threshold,
      quasi_identifiers: grid,
      records: extract.records,
      ...(extract.suppressed === undefined ? {} : { suppressed: extract.suppressed }),
      classes: extract.classes,
      smallest_class: extract.smallestClass,
      most_left_out: MOST_LEFT_OUT,
    },
    content: {
      bytes: content.bytes,
      sha256: content.sha256,
      segments: content.segments,
      segment_bytes: SEGMENT_BYTES,
      plain: content.plain,
    },
  };
}
