import type { DigestForm, SignatureDialect, VerifiedMessage } from '@dci/protocol';
import type { Partner } from '../store/partners.ts';

/**
 * In what form a partner is answered: decided once for a message, from the partner's settings and from how it asked, and
 * plain JSON, so that it can be kept with work that is done later.
 */
export interface ReplyTerms {
  readonly dialect: SignatureDialect;
  /** How the partner serialises what it verifies. */
  readonly form: DigestForm;
  /** To the partner's newest key at the time of sending. */
  readonly encrypt: boolean;
}

/** For whom nothing is known of. */
export const PLAIN_TERMS: ReplyTerms = { dialect: 'dci', form: 'jcs', encrypt: false };

/** Encrypted is answered encrypted, and so is whoever must encrypt. Without a message (it could not be read or was not signed well): what the partner's settings say. */
export function decideReplyTerms({ dialect, encryptionPolicy }: Partner, message: VerifiedMessage | undefined): ReplyTerms {
  const asked = message?.signedBy ?? PLAIN_TERMS;
  return {
    dialect: dialect === 'as-asked' ? asked.dialect : dialect,
    form: asked.form,
    encrypt: encryptionPolicy === 'required' || message?.header.is_msg_encrypted === true,
  };
}
