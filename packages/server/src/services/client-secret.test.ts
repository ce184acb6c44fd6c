import { describe, expect, it } from 'vitest';
import { createSecretVerifier, hashSecret, makeSecret, OverloadedError } from './client-secret.ts';

const now = (): number => 0;

describe('client secrets', () => {
  it('are 32 random bytes', () => {
    expect(Buffer.from(makeSecret(), 'base64url')).toHaveLength(32);
    expect(makeSecret()).not.toBe(makeSecret());
  });

  it('are hashed with salt and parameters', async () => {
    const [first, second] = [await hashSecret('secret'), await hashSecret('secret')];
    expect(first).toMatch(/^\$scrypt\$ln=14,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/);
    expect(first).not.toBe(second);
  });

  it('match their hash and no other, also when they were right a moment ago', async () => {
    const verifier = createSecretVerifier({ now });
    const hash = await hashSecret('secret');
    expect(await verifier.verify('secret', hash)).toBe(true);
    expect(await verifier.verify('secret', hash)).toBe(true);
    expect(await verifier.verify('other', hash)).toBe(false);
    expect(await verifier.verify('secret', await hashSecret('other'))).toBe(false);
    expect(await verifier.verify('secret', undefined)).toBe(false);
    expect(await verifier.verify('', hash)).toBe(false);
  });

  it('do not match a hash that is not readable', async () => {
    const verifier = createSecretVerifier({ now });
    for (const hash of ['', 'secret', '$scrypt$', '$argon2$ln=14,r=8,p=1$AAAA$AAAA'])
      expect(await verifier.verify('secret', hash)).toBe(false);
  });

  it('are verified with the parameters of their hash', async () => {
    const cheap = '$scrypt$ln=4,r=1,p=1$c2FsdHNhbHQ$r4pLxwML_KlKVWO5RQN0gX63IaDs53BWpgCtx3QiX5U';
    const verifier = createSecretVerifier({ now });
    expect(await verifier.verify('secret', cheap)).toBe(true);
    expect(await verifier.verify('other', cheap)).toBe(false);
  });

  it('are refused when too many wait, and taken again when those are done', async () => {
    const verifier = createSecretVerifier({ now });
    const hash = await hashSecret('secret');
    const outcomes = await Promise.allSettled(Array.from({ length: 80 }, (_, index) => verifier.verify(`guess ${index}`, hash)));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(refused).toHaveLength(80 - 66);
    expect(refused.every((outcome) => outcome.reason instanceof OverloadedError)).toBe(true);
    expect(await verifier.verify('secret', hash)).toBe(true);
  });
});
