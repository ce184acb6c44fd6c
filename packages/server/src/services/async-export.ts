import { canonicalJson, DciError, type ExportItem, type ExportRequest, type ExportResponseItem, parseExportRequest } from '@dci/protocol';
import { WithheldError } from '../disclosure/audit-log.ts';
import { decideGrant, type Grant } from '../disclosure/grant.ts';
import type { Profile } from '../profiles/profile.ts';
import { type CountPlan, planCount } from '../registry/counting/plan-count.ts';
import type { Db } from '../store/database.ts';
import { countExtractJobs, findExtractOf, loadCurrentExtracts, type StoredExtract } from '../store/extracts.ts';
import type { Partner } from '../store/partners.ts';
import type { Transaction } from '../store/transactions.ts';
import type { ActionWork, AnswerPart, AsyncAction } from './async-action.ts';
import { isStillOpen } from './extract-terms.ts';
import { type ExtractMaker, newestKey } from './make-extract.ts';
import { asItemRefusal, type CriteriaParts, planCriteria, type PlannedItem } from './plan-items.ts';
import { planningContext } from './planning-context.ts';
import { checkHeader, type Reception } from './receive-message.ts';
import { answeredItem, countItems, refusedItem, summariseOutcomes, tell } from './search-message.ts';

/**
 * The research extract: taken now, made by a worker however long it takes, told of by a callback, fetched by the partner. A
 * request is made once: what is told again, by a later callback or a status, is the extract that is there.
 */
export interface AsyncExportParts extends CriteriaParts {
  readonly db: Db;
  readonly reception: Reception;
  readonly maker: ExtractMaker;
  /** Where partners reach this server, and the path of its base. */
  readonly base: () => string;
}

/** The kind of job that makes extracts. */
export const EXPORT = 'export';

const POINTS = 100;
/** Those of the filter among them. */
const MOST_DIMENSIONS = 8;
const MOST_EXTRACTS = 50;

/** Where extracts are fetched, below the base path. */
export const EXTRACTS_PATH = '/registry/extracts';

export function createAsyncExport(parts: AsyncExportParts): AsyncAction {
  return {
    action: 'export',
    answeredBy: 'on-export',
    scope: 'registry/export',
    job: EXPORT,
    isFetched: true,
    read(message, partner) {
      decideGrant(partner);
      checkHeader(parts.reception, message, { action: 'export', items: countItems(message.message, 'export_request'), maxItems: 1 });
      const request = parseExportRequest(message.message);
      newestKey(partner);
      return {
        transactionId: request.transaction_id,
        referenceIds: request.export_request.map((item) => item.reference_id),
        items: request.export_request.length,
        points: POINTS,
      };
    },
    async begin(db, { partner }) {
      const kept = (await loadCurrentExtracts(db, partner.id)).filter((extract) => isStillOpen(extract, partner));
      if (kept.length + (await countExtractJobs(db, partner.id, EXPORT)) >= MOST_EXTRACTS)
        throw new DciError(
          'err.request.too_many_requests',
          `you have ${MOST_EXTRACTS} extracts that are being made or can be fetched; wait until some expire`,
        );
      return { base: parts.base() } satisfies Begun;
    },
    run: (work) => run(parts, work),
    look: (work) => look(parts, work),
    refuse: ({ transactionId, correlationId, request }, fault) => {
      const [item] = request === undefined ? [] : parseExportRequest(JSON.parse(request)).export_request;
      const timestamp = new Date(parts.reception.now()).toISOString();
      const content = writeMessage(
        { transactionId, correlationId },
        item === undefined ? [] : [{ ...answeredItem(item, timestamp), status: 'rjct', status_reason_message: tell(fault) }],
      );
      const counts = { totalCount: 1, completedCount: 1 };
      return {
        header: { action: 'on-export', status: 'rjct', reasonCode: 'rjct.errors.too_many', reasonMessage: tell(fault), ...counts },
        content,
      };
    },
  };
}

interface Begun {
  readonly base: string;
}

async function run(parts: AsyncExportParts, work: ActionWork): Promise<AnswerPart> {
  const { transaction, partner, signal } = work;
  // Made before, by a worker that ended before it could say so.
  const found = await findOpen(parts, transaction, partner);
  const planned = await plan(parts, work);
  if (found !== undefined || 'refusal' in planned) return answer(parts, transaction, planned, found);
  try {
    await parts.maker.make({ ...planned, grant: decideGrant(partner), transaction, partner, signal });
  } catch (error) {
    return answer(parts, transaction, { item: planned.item, refusal: asItemRefusal(error) }, undefined);
  }
  const made = await findOpen(parts, transaction, partner);
  // Closed again already, by a change that came after: what it is to be now, the next try finds.
  if (made === undefined) throw new WithheldError('stale');
  return answer(parts, transaction, planned, made);
}

async function look(parts: AsyncExportParts, work: ActionWork): Promise<AnswerPart> {
  const { transaction, partner } = work;
  return answer(parts, transaction, await plan(parts, work), await findOpen(parts, transaction, partner));
}

async function findOpen({ db }: AsyncExportParts, { id }: Transaction, partner: Partner): Promise<StoredExtract | undefined> {
  const found = await findExtractOf(db, id);
  return found !== undefined && isStillOpen(found, partner) ? found : undefined;
}

export interface PlannedExport {
  readonly partner: Partner;
  readonly grant: Grant;
  readonly profile: Profile;
  /** The day on which ages are counted, `YYYY-MM-DD`. */
  readonly today: string;
}

/** The plan of an item that was planned before, elsewhere. */
export function planExport({ export_criteria: criteria }: ExportItem, { today, ...asked }: PlannedExport): CountPlan {
  const now = (): number => Date.parse(today);
  const pointer = '/message/export_request/0/export_criteria';
  // There are no pages, and so no cursors.
  const context = planningContext({ cursorKey: Buffer.alloc(0), now }, { ...asked, criteria, pointer });
  return planCount(criteria, context, MOST_DIMENSIONS);
}

async function plan(parts: AsyncExportParts, { request, partner, mounted }: ActionWork): Promise<PlannedItem<ExportItem, CountPlan>> {
  const { export_request: items }: ExportRequest = parseExportRequest(request);
  const list = {
    items,
    names: ['export_request', 'export_criteria'],
    criteriaOf: (item: ExportItem) => item.export_criteria,
  } as const;
  const asker = { partner, grant: decideGrant(partner), mounted };
  const [planned] = await planCriteria(parts, asker, list, (criteria, context) => planCount(criteria, context, MOST_DIMENSIONS));
  if (planned === undefined) throw new Error('a request for an extract has no item');
  return planned;
}

function answer(
  { reception }: AsyncExportParts,
  transaction: Transaction,
  planned: PlannedItem<ExportItem, CountPlan>,
  extract: StoredExtract | undefined,
): AnswerPart {
  const timestamp = new Date(reception.now()).toISOString();
  const told = 'refusal' in planned ? refusedItem(planned, timestamp) : tellExtract(planned.item, timestamp, transaction, extract);
  return {
    header: { action: 'on-export', ...summariseOutcomes([told.status === 'rjct' ? { refusal: told } : {}]) },
    content: writeMessage(transaction, [told]),
  };
}

function tellExtract(
  item: ExportItem,
  timestamp: string,
  { state, begun }: Transaction,
  extract: StoredExtract | undefined,
): ExportResponseItem {
  const common = answeredItem(item, timestamp);
  if (extract?.made === undefined) {
    if (state === 'pending') return { ...common, status: 'pdng' };
    return { ...common, status: 'rjct', status_reason_message: 'the extract cannot be fetched any more: ask for it anew' };
  }
  const { bytes, sha256, manifest } = extract.made;
  return {
    ...common,
    status: 'succ',
    extract: {
      extract_id: extract.id,
      url: `${(begun as Begun | undefined)?.base ?? ''}${EXTRACTS_PATH}/${extract.id}`,
      expires_at: extract.expiresAt.toISOString(),
      records: extract.written,
      bytes,
      sha256,
      manifest,
    },
  };
}

function writeMessage(
  { transactionId, correlationId }: Pick<Transaction, 'transactionId' | 'correlationId'>,
  items: readonly ExportResponseItem[],
): string {
  return canonicalJson({ transaction_id: transactionId, correlation_id: correlationId, export_response: items });
}
