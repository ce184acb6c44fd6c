import { createHash, type KeyObject } from 'node:crypto';
import { publicJwk, thumbprint, type VerificationKey } from '@dci/protocol';
import type { Credential } from '../store/credentials.ts';
import type { Client } from './partner-directory.ts';

/**
 * What a client presented to get a token: its secret, or one of its keys. The token carries it, so that it ends when that
 * secret is rotated or that key revoked.
 */
export function proofBySecret({ secretHash }: Credential): string {
  return createHash('sha256').update(secretHash).digest('base64url').slice(0, 16);
}

export function proofByKey(key: VerificationKey): string {
  return `key:${thumbprintOf(key)}:${key.kid}`;
}

/** Whether the client still has what `proof` stands for. */
export function isProofCurrent({ partner, credential }: Client, proof: string): boolean {
  if (!proof.startsWith('key:')) return proof === proofBySecret(credential);
  const key = partner.keys.get(proof.split(':').slice(2).join(':'));
  return key !== undefined && proof === proofByKey(key);
}

const thumbprints = new WeakMap<KeyObject, string>();

function thumbprintOf(key: VerificationKey): string {
  const known = thumbprints.get(key.key) ?? thumbprint({ ...publicJwk(key) });
  thumbprints.set(key.key, known);
  return known;
}
