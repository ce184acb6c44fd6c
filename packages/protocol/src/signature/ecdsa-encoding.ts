/**
 * The two encodings of an ECDSA signature: r||s, each as long as the curve's order (IEEE P1363, as in JWS), and DER (RFC
 * 3279 section 2.2.3). Node signs and verifies DER fastest, by half again: a bare key needs no options to be looked into.
 */

const HALF = 32;
const SEQUENCE = 0x30;
const INTEGER = 0x02;

/** r||s of P-256 as DER. */
export function p1363ToDer(signature: Uint8Array): Buffer {
  const r = toInteger(signature.subarray(0, HALF));
  const s = toInteger(signature.subarray(HALF));
  return Buffer.concat([Buffer.of(SEQUENCE, r.length + s.length), r, s]);
}

/** DER, as node writes it for P-256, as r||s. */
export function derToP1363(der: Uint8Array): Buffer {
  const written = Buffer.alloc(2 * HALF);
  const rEnd = 4 + (der[3] ?? 0);
  place(der.subarray(4, rEnd), written, HALF);
  place(der.subarray(rEnd + 2), written, 2 * HALF);
  return written;
}

/** A DER integer has no leading zeros but the one that keeps it positive. */
function toInteger(half: Uint8Array): Buffer {
  let start = 0;
  while (start < half.length - 1 && half[start] === 0) start += 1;
  const digits = half.subarray(start);
  const sign = (digits[0] ?? 0) >= 0x80 ? [0] : [];
  return Buffer.concat([Buffer.of(INTEGER, digits.length + sign.length, ...sign), digits]);
}

function place(integer: Uint8Array, target: Buffer, end: number): void {
  const digits = integer.length > HALF ? integer.subarray(integer.length - HALF) : integer;
  target.set(digits, end - digits.length);
}
