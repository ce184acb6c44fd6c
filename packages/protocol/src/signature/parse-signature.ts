import type { JsonText } from '../json-text.ts';
import type { DigestForm } from './content-form.ts';
import { parseDciSignature, searchDciForm } from './dci-signature.ts';
import { looksLikeJws, parseJws, searchJwsForm } from './jws-signature.ts';
import type { VerificationKey } from './keys.ts';
import type { ParsedSignature, SignatureSearch } from './parsed-signature.ts';

/**
 * Reads a signature in whichever dialect it is written, recognised by its shape.
 *
 * @throws DciError `err.signature.invalid`, naming the part that is wrong.
 *
 * @example
 * parseSignature('eyJhbGciOiJFUzI1NiIsImtpZCI6ImtleS0xIn0..c2lnbmF0dXJl').dialect; // would be 'jws-detached'
 */
export function parseSignature(text: string): ParsedSignature {
  return looksLikeJws(text) ? parseJws(text) : parseDciSignature(text);
}

/**
 * Finds out whether a signature fits a message as it was received, and in which form its content was serialised: yields
 * what is to be checked, is told the outcome, returns the form, or `undefined` when it is not a signature by that key over
 * that message.
 */
export function searchSignedForm(
  parsed: ParsedSignature,
  key: VerificationKey,
  received: JsonText,
  preferred: DigestForm | undefined,
): SignatureSearch<DigestForm | undefined> {
  return parsed.dialect === 'dci' ? searchDciForm(parsed, key, received, preferred) : searchJwsForm(parsed, key, received, preferred);
}
