import { generateKeyPairSync, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derToP1363, p1363ToDer } from './ecdsa-encoding.ts';

describe('encodings of an ECDSA signature', () => {
  it('are turned into each other, whatever the numbers', () => {
    const halves = fc.tuple(fc.nat(32), fc.uint8Array({ minLength: 32, maxLength: 32 })).map(([zeros, half]) => half.fill(0, 0, zeros));
    fc.assert(
      fc.property(halves, halves, (r, s) => {
        const signature = Buffer.concat([r, s]);
        expect(derToP1363(p1363ToDer(signature))).toEqual(signature);
      }),
      { numRuns: 500, seed: 3 },
    );
  });

  it('are those that node reads and writes', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    for (let count = 0; count < 200; count += 1) {
      const content = Buffer.from(`message ${count}`);
      const der = sign('sha256', content, privateKey);
      expect(verify('sha256', content, { key: publicKey, dsaEncoding: 'ieee-p1363' }, derToP1363(der))).toBe(true);
      expect(p1363ToDer(derToP1363(der))).toEqual(der);
    }
  });
});
