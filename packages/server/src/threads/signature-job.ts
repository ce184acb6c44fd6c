import type { KeyObject } from 'node:crypto';
import { type SignatureCheck, type SignatureOrder, signBytes, verifyBytes } from '@dci/protocol';

/** A signature that is to be made or, where there is one, verified. */
export type SignatureJob = SignatureOrder | SignatureCheck;

/** The signature that was made, or whether the given one is good. */
export type SignatureOutcome = Buffer | boolean;

/** Here and now. */
export function performJob(job: SignatureJob): SignatureOutcome {
  return 'signature' in job ? verifyBytes(job) : signBytes(job.algorithm, job.key, job.content);
}

/**
 * What one message to a thread holds: of each job, in its place, what is in the four lists. Lists of plain values, bytes as
 * latin1 strings and keys handed over once are quickest to copy.
 */
export interface ThreadOrder {
  /** Of the batch; its answer says it again. */
  readonly batch: number;
  /** The keys that were handed over before are not used any more. */
  readonly forgetKeys: boolean;
  readonly newKeys: readonly { readonly id: number; readonly key: KeyObject }[];
  readonly algorithms: SignatureJob['algorithm'][];
  readonly keyIds: number[];
  readonly contents: string[];
  /** Undefined: one is to be made. */
  readonly signatures: (string | undefined)[];
}

export interface ThreadAnswer {
  readonly batch: number;
  /** One for each job, in their order. */
  readonly outcomes: readonly ThreadOutcome[];
}

/** A signature, whether one is good, or why neither can be told. */
export type ThreadOutcome = string | boolean | { readonly failure: string };

export function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

export function toBytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
