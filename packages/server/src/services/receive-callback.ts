import { type CallbackEnvelope, DciError, openMessage, parseCallbackEnvelope, readJson, type VerifiedMessage } from '@dci/protocol';
import type { Partner } from '../store/partners.ts';
import type { PartnerDirectory } from './partner-directory.ts';
import { acceptPlain, checkReceiver, checkSender, type Reception, type Sender, verifySigned } from './receive-message.ts';

/**
 * From bytes that another registry sends to a message of a peer: an active partner by whose key it is signed. A signature is
 * needed whatever the partner's policy says: nothing else tells who sends.
 */
export interface PeerReception {
  readonly reception: Reception;
  readonly directory: Pick<PartnerDirectory, 'findBySenderId'>;
}

/** Who it says that it comes from, and what has come. */
export interface Claimed {
  readonly partner: Partner;
  readonly received: ReturnType<typeof readJson>;
  readonly envelope: CallbackEnvelope;
}

// Records of other registries may nest deeper than a request may.
const MAX_DEPTH = 64;

/** Throws `err.*` where the message cannot be read, is not for us or comes from nobody who is known. */
export function readClaim({ directory }: PeerReception, bearer: Sender | undefined, bytes: Uint8Array): Claimed {
  const received = readJson(bytes, { maxDepth: MAX_DEPTH });
  const envelope = parseCallbackEnvelope(received.value);
  if (bearer !== undefined) checkSender(bearer.partner, envelope);
  const { sender_id: senderId } = envelope.header;
  const partner = senderId === undefined ? undefined : directory.findBySenderId(senderId);
  if (partner?.active !== true)
    throw new DciError('err.sender_id.invalid', 'nobody is registered here under this sender_id', { pointer: '/header/sender_id' });
  return { partner, received, envelope };
}

/** Throws `err.*` where it is not signed by a key of the one it claims to come from. */
export async function verifyClaim({ reception }: PeerReception, claimed: Claimed): Promise<SignedCallback> {
  const { partner, received, envelope } = claimed;
  checkReceiver(reception, envelope);
  const message = await verifySigned(reception, partner, { received, envelope, policy: 'required' });
  if (message.signedBy === undefined) throw new Error('a message was taken without the signature that is required');
  return message as SignedCallback;
}

/** A message whose sender is known. */
export type SignedCallback = VerifiedMessage<CallbackEnvelope> & { readonly signedBy: NonNullable<VerifiedMessage['signedBy']> };

/** What it says; throws where it cannot be opened, or should have been encrypted and is not. */
export async function openCallback({ reception }: PeerReception, partner: Partner, signed: SignedCallback): Promise<SignedCallback> {
  if (signed.header.is_msg_encrypted !== true) return acceptPlain(partner, signed);
  return await openMessage(signed, reception.decryption, { maxDepth: MAX_DEPTH });
}
