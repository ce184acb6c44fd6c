import { DciError, type ExtractManifest, LONGEST_MANIFEST, type VerificationKey, verifyExtractManifest } from '@dci/protocol';
import { DciAnswerError } from '../errors.ts';
import type { KeySet } from '../key-set.ts';
import { readRefusal } from '../refusal.ts';
import { gatherBody } from '../transport.ts';
import type { OpenContent } from './read-content.ts';

/** A manifest that was verified, and the text that proves it. */
export interface FetchedManifest {
  readonly manifest: ExtractManifest;
  /** The compact JWS, to be kept beside the file. */
  readonly jws: string;
}

export interface ManifestTerms {
  readonly open: OpenContent;
  readonly keys: KeySet;
  /** To whom it must be made out. */
  readonly senderId: string;
  /** By whom; undefined: by whoever has the keys. */
  readonly receiverId: string | undefined;
}

/** @param url of the extract, for messages */
export async function fetchManifest(url: string, { open, keys, senderId, receiverId }: ManifestTerms): Promise<FetchedManifest> {
  const answer = await open({ accept: 'application/jose' });
  const body = await gatherBody(answer, LONGEST_MANIFEST);
  if (answer.status !== 200) throw readRefusal({ ...answer, body });
  const jws = Buffer.from(body).toString('latin1').trim();
  const manifest = await verifyByKeySet(jws, keys);
  if (manifest.recipient !== senderId) throw new DciAnswerError(`the manifest of ${url} is made out to another than ${senderId}`);
  if (receiverId !== undefined && manifest.sender_id !== receiverId)
    throw new DciAnswerError(`the manifest of ${url} is by another than ${receiverId}`);
  return { manifest, jws };
}

async function verifyByKeySet(jws: string, keys: KeySet): Promise<ExtractManifest> {
  const held = (await keys.load()).verification;
  try {
    return await verifyBy(jws, held);
  } catch (error) {
    const fetched = (await keys.refresh()).verification;
    if (fetched === held) throw error;
    return await verifyBy(jws, fetched);
  }
}

async function verifyBy(jws: string, keys: ReadonlyMap<string, VerificationKey>): Promise<ExtractManifest> {
  try {
    return await verifyExtractManifest(jws, (kid) => keys.get(kid));
  } catch (error) {
    throw error instanceof DciError ? new DciAnswerError(error.message, { cause: error }) : error;
  }
}
