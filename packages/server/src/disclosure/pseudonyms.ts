import { createHmac, createSecretKey } from 'node:crypto';

/** A word that stands for a value: the same value of the same kind has the same word. */
export type Pseudonym = (kind: string, value: string) => string;

/**
 * Pseudonyms are keyed per partner: what one partner is given can be joined, what two partners are given cannot, not even
 * by someone who knows the values. They last as long as the key and the partner.
 */
export interface Pseudonyms {
  of(partnerId: string): Pseudonym;
}

/** `key`: kept for this purpose alone. */
export function createPseudonyms(key: Buffer): Pseudonyms {
  return {
    of: (partnerId) => {
      const secret = createSecretKey(createHmac('sha256', key).update(`partner\0${partnerId}`).digest());
      return (kind, value) => createHmac('sha256', secret).update(`${kind}\0${value}`).digest('base64url').slice(0, 22);
    },
  };
}
