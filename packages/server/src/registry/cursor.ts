import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { writeFilter } from './filter-text.ts';
import type { Page, SearchPlan, SearchResult, SortKey } from './plan.ts';

/**
 * A cursor says after which record the next page begins. It is sealed (AES-256-GCM), so that nothing internal can be read
 * in it and nothing made up is accepted, and bound to partner, query, order and page size: under anything else it does
 * not open. An age in the query binds it to the day as well, for on another day the query means other records.
 */
export interface CursorSettings {
  readonly cursorKey: Buffer;
  readonly partnerId: string;
}

export interface CursorPosition {
  readonly after: NonNullable<Page['after']>;
  /** Number of the page that begins there. */
  readonly pageNumber: number;
}

const CIPHER = 'aes-256-gcm';
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const LONGEST_CURSOR = 4_096;

/** The cursor of the page after `result`, or undefined when that was the last. */
export function sealCursor({ plan, next }: Pick<SearchResult, 'plan' | 'next'>, settings: CursorSettings): string | undefined {
  if (next === undefined) return undefined;
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, cipherKey(settings), nonce).setAAD(binding(plan, settings));
  const position: CursorPosition = { after: next, pageNumber: plan.page.number + 1 };
  const sealed = Buffer.concat([cipher.update(JSON.stringify(position), 'utf8'), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), nonce, sealed, cipher.getAuthTag()]).toString('base64url');
}

/** Where the page begins that `cursor` stands for, or undefined when it is not one of this partner's for this search. */
export function openCursor(cursor: string, plan: SearchPlan, settings: CursorSettings): CursorPosition | undefined {
  if (cursor.length > LONGEST_CURSOR || !/^[\w-]+$/.test(cursor)) return undefined;
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes[0] !== VERSION || bytes.length <= 1 + NONCE_BYTES + TAG_BYTES) return undefined;
  const nonce = bytes.subarray(1, 1 + NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER, cipherKey(settings), nonce, { authTagLength: TAG_BYTES })
    .setAAD(binding(plan, settings))
    .setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = Buffer.concat([decipher.update(bytes.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString('utf8');
    // Only what `sealCursor` wrote passes the authentication.
    return JSON.parse(text) as CursorPosition;
  } catch {
    return undefined;
  }
}

function cipherKey({ cursorKey }: CursorSettings): Buffer {
  return createHash('sha256').update('dci search cursor\0').update(cursorKey).digest();
}

function binding(plan: SearchPlan, { partnerId }: CursorSettings): Buffer {
  const query = [
    VERSION,
    partnerId,
    plan.profile.registry,
    plan.recordType.name,
    plan.entity.name,
    writeFilter(plan.filter),
    plan.sort.map(describeKey),
    plan.page.size,
  ];
  return createHash('sha256').update(JSON.stringify(query)).digest();
}

function describeKey(key: SortKey): unknown {
  return [
    key.recordType.name,
    'attribute' in key.by ? ['attribute', key.by.attribute.name] : ['identifier', key.by.identifierType],
    key.direction,
  ];
}
