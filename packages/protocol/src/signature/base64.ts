import { invalidSignature } from './parsed-signature.ts';

/** Base64 in either alphabet, padded or not; one text for each value, so that unused bits must be 0. */
export function readBase64(what: string, text: string): Buffer {
  // As nearly everybody writes it.
  const asWritten = Buffer.from(text, 'base64');
  if (asWritten.length > 0 && asWritten.toString('base64') === text) return asWritten;
  const plain = text
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replace(/={1,2}$/, '');
  const bytes = Buffer.from(plain, 'base64');
  if (bytes.length === 0 || bytes.toString('base64').replace(/=+$/, '') !== plain) throw invalidSignature(`${what} is not base64`);
  return bytes;
}
