import type { DigestForm, SignatureDialect, VerifiedMessage } from '@dci/protocol';
import type { Partner } from '../store/partners.ts';

/**
 * In what form a partner is answered: decided for a message, from the partner's settings and from how it asked, and plain
 * JSON, so that it can be kept with work that is done later; the settings are looked at again when that is sent.
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
export function decideReplyTerms(partner: Partner, message: VerifiedMessage | undefined): ReplyTerms {
  const { dialect, form } = message?.signedBy ?? PLAIN_TERMS;
  return renewReplyTerms(partner, { dialect, form, encrypt: message?.header.is_msg_encrypted === true });
}

/** Terms that were kept, at the time of sending: what is set for the partner by then goes before how it asked. */
export function renewReplyTerms({ dialect, encryptionPolicy }: Partner, kept: ReplyTerms): ReplyTerms {
  return {
    ...kept,
    dialect: dialect === 'as-asked' ? kept.dialect : dialect,
    encrypt: encryptionPolicy === 'required' || kept.encrypt,
  };
}
