import { DciError, type ExportItem, type SigningKey } from '@dci/protocol';
import type { ClientConfig } from 'pg';
import { WithheldError } from '../disclosure/audit-log.ts';
import type { PlannedExport } from '../services/async-export.ts';
import type { ExtractKeys } from '../services/extract-keys.ts';
import type { Partner } from '../store/partners.ts';
import type { Transaction } from '../store/transactions.ts';

/** What a thread that makes extracts is told, and what it answers: nothing but what can be handed from thread to thread. */
export interface ExtractThreadSettings {
  readonly connection: ClientConfig;
  readonly keys: ExtractKeys;
  readonly senderId: string;
  readonly extractLifetimeDays: number;
}

export interface ExtractOrder {
  readonly transaction: Transaction;
  readonly partner: Partner;
  readonly item: ExportItem;
  readonly registry: string;
  readonly purpose: string | undefined;
  readonly today: PlannedExport['today'];
  readonly signingKey: SigningKey;
}

/** Undefined: it is made. */
export type ExtractOutcome = ExtractFailure | undefined;

export interface ExtractFailure {
  readonly kind: 'refusal' | 'withheld' | 'other';
  readonly message: string;
  readonly code: string | undefined;
  readonly pointer?: string | undefined;
}

export function toFailure(error: unknown): ExtractFailure {
  if (error instanceof DciError) return { kind: 'refusal', message: error.message, code: error.code, pointer: error.pointer };
  if (error instanceof WithheldError) return { kind: 'withheld', message: error.message, code: error.verdict };
  const { code } = error as { readonly code?: unknown };
  return {
    kind: 'other',
    message: error instanceof Error ? error.message : String(error),
    code: typeof code === 'string' ? code : undefined,
  };
}

/** The same error again, as far as anybody tells one from another. */
export function toError({ kind, message, code, pointer }: ExtractFailure): Error {
  if (kind === 'refusal') return new DciError(code as DciError['code'], message, pointer === undefined ? {} : { pointer });
  if (kind === 'withheld') return new WithheldError(code === 'duplicate' ? 'duplicate' : 'stale');
  return Object.assign(new Error(message), code === undefined ? {} : { code });
}
