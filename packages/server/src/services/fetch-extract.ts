import { DciError, SEGMENT_BYTES, SEGMENT_TAG_BYTES } from '@dci/protocol';
import { validate as isUuid } from 'uuid';
import { type AuditLog, type Released, WithheldError } from '../disclosure/audit-log.ts';
import { decideGrant } from '../disclosure/grant.ts';
import { writeLegalBasis } from '../disclosure/legal-basis.ts';
import type { Db } from '../store/database.ts';
import { findExtract, loadPiece, type MadeExtract, type StoredExtract } from '../store/extracts.ts';
import type { Partner } from '../store/partners.ts';
import { claimPart } from './async-action.ts';
import { isStillOpen } from './extract-terms.ts';
import type { PartnerDirectory } from './partner-directory.ts';
import type { Sender } from './receive-message.ts';
import { describeRefusal, describeSender } from './search-audit.ts';

/**
 * Hands extracts out to the partner that each was made for, as long as it is that partner still, under the same terms, and
 * the extract has not expired. Whatever else is asked for is not there, and looks alike. Each time is on record before a
 * byte leaves. What closes an extract ends its fetchings, too.
 */
export interface ExtractFetcher {
  /** Throws `err.request.not_found`. */
  find(sender: Sender, id: string): Promise<FoundExtract>;
  /** Its signed manifest. */
  readManifest(sender: Sender, extract: FoundExtract): Promise<Released>;
  /** The sealed content; absent range: the whole. A segment at a time is read, as they are taken. */
  readContent(sender: Sender, extract: FoundExtract, range?: ByteRange): Promise<AsyncGenerator<Buffer>>;
}

export type FoundExtract = StoredExtract & { readonly made: MadeExtract };

/** Both ends are in it. */
export interface ByteRange {
  readonly from: number;
  readonly to: number;
}

export interface ExtractFetcherParts {
  readonly db: Db;
  readonly audit: AuditLog;
  readonly directory: Pick<PartnerDirectory, 'findById'>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

const ACTION = 'export/fetch';
/** What comes from the database at a time: it takes several times as much memory on its way, and for a while after. */
const PIECE_BYTES = 32_768;
/** As soon as a change of a partner is known everywhere. */
const CHECKED_EVERY_MS = 1_000;
const SEALED_SEGMENT_BYTES = SEGMENT_BYTES + SEGMENT_TAG_BYTES;

export function createExtractFetcher({ db, audit, directory, now }: ExtractFetcherParts): ExtractFetcher {
  async function release(sender: Sender, { id, registry }: FoundExtract, query: object, text: string): Promise<Released> {
    const { partner } = sender;
    const { legalBasis, rule } = decideGrant(partner);
    const entry = {
      ...describeSender(sender, ACTION),
      registry,
      legalBasis: writeLegalBasis(legalBasis),
      purposes: partner.purposes,
      fieldRule: rule.name,
      outcome: 'answered',
      query: JSON.stringify({ extract: id, ...query }),
      itemCount: 1,
      // They are on record since it was made.
      recordCount: 0,
      disclosed: [],
      ...claimPart(now()),
    };
    try {
      return await audit.release(entry, async () => text);
    } catch (error) {
      if (!(error instanceof WithheldError)) throw error;
      throw new DciError('err.service.unavailable', 'the registration of this partner has just changed; ask again');
    }
  }

  async function findOpen(partner: Partner, id: string): Promise<FoundExtract | undefined> {
    const found = await findExtract(db, partner.id, id);
    return found?.made !== undefined && isStillOpen(found, partner) ? { ...found, made: found.made } : undefined;
  }

  /** Throws where the extract has been closed or deleted: what was sent then is shorter than was announced. */
  async function* readBytes({ id, partnerId }: FoundExtract, { from, to }: ByteRange): AsyncGenerator<Buffer> {
    let checked = now();
    for (let at = from; at <= to; ) {
      if (now() - checked >= CHECKED_EVERY_MS) {
        const partner = directory.findById(partnerId);
        if (partner === undefined || (await findOpen(partner, id)) === undefined)
          throw new Error('an extract was closed while it was fetched');
        checked = now();
      }
      const start = at % SEALED_SEGMENT_BYTES;
      const length = Math.min(PIECE_BYTES, SEALED_SEGMENT_BYTES - start, to + 1 - at);
      const piece = await loadPiece(db, id, Math.floor(at / SEALED_SEGMENT_BYTES), { start, length });
      if (piece?.length !== length) throw new Error('an extract was deleted while it was fetched');
      yield piece;
      at += length;
    }
  }

  return {
    async find(sender, id) {
      const found = isUuid(id) ? await findOpen(sender.partner, id) : undefined;
      if (found !== undefined) return found;
      const fault = new DciError('err.request.not_found', 'no extract of yours can be fetched here');
      const asked = isUuid(id) ? { query: JSON.stringify({ extract: id }) } : {};
      await audit.release({ ...describeRefusal(sender, ACTION, fault, undefined), ...asked }, async () => '');
      throw fault;
    },
    readManifest: (sender, extract) => release(sender, extract, { part: 'manifest' }, extract.made.manifest),
    async readContent(sender, extract, range) {
      const whole = { from: 0, to: extract.made.bytes - 1 };
      await release(sender, extract, { part: 'content', ...(range && { bytes: [range.from, range.to] }) }, '');
      return readBytes(extract, range ?? whole);
    },
  };
}
