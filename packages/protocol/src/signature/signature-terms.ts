import type { SignatureDialect } from './parsed-signature.ts';

/** Who signs, how, and for how long; times in epoch seconds. */
export interface SignatureTerms {
  readonly senderId: string;
  readonly created: number;
  readonly expires: number;
  /** Default: `dci`. */
  readonly dialect?: SignatureDialect;
}
