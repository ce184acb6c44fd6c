import { randomUUID } from 'node:crypto';
import {
  canonicalJson,
  encryptText,
  type HeaderReasonCode,
  invalidEncryption,
  type RequestStatus,
  type SigningKey,
  type SignatureExecutor,
  signContentBy,
  signedContent,
  writeCallbackHeader,
  type WrittenCallbackHeader,
  writeInForm,
  writeSignedEnvelope,
} from '@dci/protocol';
import type { Partner } from '../store/partners.ts';
import { PLAIN_TERMS, type ReplyTerms } from './reply-terms.ts';

/** To whom an answer goes, and in what form. */
export interface Addressee {
  readonly partner: Pick<Partner, 'senderId' | 'encryptionKeys'>;
  readonly terms: ReplyTerms;
}

/** Whoever asked has not been recognised. */
export const STRANGER: Addressee = { partner: { senderId: 'unknown', encryptionKeys: new Map() }, terms: PLAIN_TERMS };

/** What differs from answer to answer in its header. */
export interface AnswerHeader {
  readonly action: string;
  readonly status: RequestStatus;
  readonly reasonCode?: HeaderReasonCode;
  readonly reasonMessage?: string;
  readonly totalCount: number;
  readonly completedCount: number;
  readonly meta?: Readonly<Record<string, unknown>>;
}

/** Writes what this server sends: every envelope is signed by the active key, or it is not written. */
export interface AnswerWriter {
  /**
   * `messageText`: canonical JSON; absent where the header says it all.
   * Throws a `DciError` `err.encryption.invalid` where it is to be encrypted and the partner has no key for that.
   */
  write(to: Addressee, header: AnswerHeader, messageText?: string): Promise<string>;
  /** A signed header with a refusal beside it, the form of refusals on the sync paths. */
  writeRefusal(
    to: Addressee,
    header: AnswerHeader,
    refusal: { readonly errors: readonly object[]; readonly error: object },
  ): Promise<string>;
}

export interface AnswerWriterParts {
  readonly senderId: string;
  readonly activeKey: () => SigningKey;
  /** Where answers are signed. */
  readonly signatures: SignatureExecutor;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

// Long enough for slow links and clocks that differ, short enough for a stolen answer to be worthless the same day.
export const SIGNATURE_LIFETIME_SECONDS = 600;

export function createAnswerWriter({ senderId, activeKey, signatures, now }: AnswerWriterParts): AnswerWriter {
  function headerText({ partner }: Addressee, header: AnswerHeader, isEncrypted: boolean): string {
    const wire: WrittenCallbackHeader = {
      message_id: randomUUID(),
      message_ts: new Date(now()).toISOString(),
      action: header.action,
      status: header.status,
      ...(header.reasonCode === undefined ? {} : { status_reason_code: header.reasonCode }),
      ...(header.reasonMessage === undefined ? {} : { status_reason_message: header.reasonMessage }),
      total_count: header.totalCount,
      completed_count: header.completedCount,
      sender_id: senderId,
      receiver_id: partner.senderId,
      is_msg_encrypted: isEncrypted,
      ...(header.meta === undefined ? {} : { meta: header.meta }),
    };
    return writeCallbackHeader(wire);
  }

  function sign({ dialect, form }: ReplyTerms, content: string): Promise<string> {
    const created = Math.floor(now() / 1000);
    const terms = { senderId, created, expires: created + SIGNATURE_LIFETIME_SECONDS, dialect };
    return signContentBy(signatures, writeInForm(content, form), activeKey(), terms);
  }

  return {
    async write(to, header, plainText) {
      const isEncrypted = to.terms.encrypt && plainText !== undefined;
      const text = headerText(to, header, isEncrypted);
      const messageText = isEncrypted ? await encryptFor(to, plainText) : plainText;
      const content = signedContent(text, messageText);
      return writeSignedEnvelope(content, await sign(to.terms, content));
    },
    async writeRefusal(to, header, refusal) {
      const text = headerText(to, header, false);
      const signature = JSON.stringify(await sign(to.terms, signedContent(text)));
      return `{"error":${JSON.stringify(refusal.error)},"errors":${JSON.stringify(refusal.errors)},"header":${text},"signature":${signature}}`;
    },
  };
}

/** The encrypted form of a message, in canonical JSON; the signature is made over it. */
async function encryptFor({ partner }: Addressee, text: string): Promise<string> {
  const key = [...partner.encryptionKeys.values()].at(-1);
  if (key === undefined) throw invalidEncryption('there is no key registered for you to encrypt to');
  return canonicalJson(await encryptText(text, key));
}
