import { invalidSignature } from './parsed-signature.ts';

/** Base64 in either alphabet, padded or not; one text for each value, so that unused bits must be 0. */
export function readBase64(what: string, text: string): Buffer {
  const plain = text
    .replaceAll('-', '+')
    .replaceAll('_', '/')
    .replace(/={1,2}$/, '');
  const bytes = Buffer.from(plain, 'base64');
  if (bytes.length === 0 || bytes.toString('base64').replace(/=+$/, '') !== plain) throw invalidSignature(`${what} is not base64`);
  return bytes;
}
