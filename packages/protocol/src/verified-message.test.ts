import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, sortedAsciiJson } from './canonical.ts';
import { DciError } from './dci-error.ts';
import { type CallbackEnvelope, type Envelope, parseCallbackEnvelope, parseEnvelope } from './envelope.ts';
import { type JsonText, readJson } from './json-text.ts';
import { writeInForm } from './signature/content-form.ts';
import { parseDciSignature } from './signature/dci-signature.ts';
import { generateSigningKey, importPublicKey, publicJwk, type SigningKey, type VerificationKey } from './signature/keys.ts';
import { SIGNATURE_DIALECTS } from './signature/parsed-signature.ts';
import { signContent } from './signature/sign-content.ts';
import { executeInPlace } from '../test/support/execute-in-place.ts';
import { type Verification, type VerifiedMessage, verifyMessage, verifyMessageBy } from './verified-message.ts';

const NOW = 1_700_000_000;
const KEY = generateSigningKey('ES256');
const OTHER_KEY = generateSigningKey('ES256');
const EDWARDS_KEY = generateSigningKey('EdDSA');
const TERMS = { senderId: 'spmis', created: NOW, expires: NOW + 300 };

const HEADER = {
  version: '1.0.0',
  message_id: 'm-1',
  message_ts: '2023-11-14T22:13:20Z',
  action: 'search',
  sender_id: 'spmis',
  total_count: 1,
};
const MESSAGE = {
  transaction_id: 't-1',
  search_request: [
    { reference_id: 'r-1', locale: 'eng', search_criteria: { query_type: 'idtype-value', query: { type: 'UIN', value: 'Zoë-1' } } },
  ],
};

function keyRing(...keys: readonly SigningKey[]): (kid: string) => VerificationKey | undefined {
  const ring = new Map(keys.map((key) => [key.kid, importPublicKey(publicJwk(key))]));
  return (kid) => ring.get(kid);
}

function bodyOf(signature: unknown, { header = HEADER, message = MESSAGE }: { header?: object; message?: object } = {}): string {
  return JSON.stringify({ signature, header, message });
}

const GOOD = signContent(canonicalJson({ header: HEADER, message: MESSAGE }), KEY, TERMS);

function verify(body: string, changes: Partial<Verification> = {}): VerifiedMessage {
  const received = changes.received ?? readJson(body);
  const envelope = changes.envelope ?? parseEnvelope(received.value);
  return verifyMessage({ received, envelope, policy: 'required', findKey: keyRing(KEY), now: NOW, ...changes });
}

function refusalOf(body: string, changes: Partial<Verification> = {}): DciError {
  try {
    verify(body, changes);
  } catch (error) {
    expect(error).toBeInstanceOf(DciError);
    return error as DciError;
  }
  throw new Error('was accepted');
}

describe('a good signature', () => {
  it('makes a verified message, and says by what', () => {
    const { header, message, signedBy } = verify(bodyOf(GOOD));
    expect({ header, message }).toEqual({ header: HEADER, message: MESSAGE });
    expect(signedBy).toEqual({ kid: KEY.kid, dialect: 'dci', form: 'jcs', expires: NOW + 300 });
  });

  it('is wanted under both policies alike', () => {
    expect(verify(bodyOf(GOOD), { policy: 'optional' }).signedBy?.kid).toBe(KEY.kid);
  });

  it('is told by its form, which is tried first the next time', () => {
    const signature = signContent(sortedAsciiJson({ header: HEADER, message: MESSAGE }), KEY, TERMS);
    for (const preferredForm of [undefined, 'jcs', 'sorted-ascii', 'received'] as const)
      expect(verify(bodyOf(signature), { preferredForm }).signedBy?.form).toBe('sorted-ascii');
  });

  it('may be spaced as it likes', () => {
    expect(verify(bodyOf(`  ${GOOD.replaceAll(', ', ' ,\n')} `)).signedBy?.kid).toBe(KEY.kid);
  });

  it('is verified over what was received, whatever was made of it', () => {
    const message = { ...MESSAGE, locale: 'en' };
    const signature = signContent(canonicalJson({ header: HEADER, message }), KEY, TERMS);
    const normalised = { header: HEADER, message: { ...MESSAGE, locale: 'eng' } };
    const { message: handedOn, signedBy } = verify(bodyOf(signature, { message }), { envelope: normalised });
    expect(handedOn).toEqual(normalised.message);
    expect(signedBy?.kid).toBe(KEY.kid);
    const signedNormalised = signContent(canonicalJson(normalised), KEY, TERMS);
    expect(refusalOf(bodyOf(signedNormalised, { message }), { envelope: normalised }).code).toBe('err.signature.invalid');
  });

  it('covers repeated members as they were received', () => {
    const content = '{"header":HEADER,"message":{"q":{"condition":"and","condition":"or"}}}'.replace('HEADER', JSON.stringify(HEADER));
    const body = content.replace('{', `{"signature":${JSON.stringify(signContent(content, KEY, TERMS))},`);
    const received = readJson(body, { keepRepeated: new Set(['condition']) });
    expect(verify(body, { received }).signedBy?.form).toBe('received');
  });
});

describe('a missing signature', () => {
  it.each([
    ['absent', JSON.stringify({ header: HEADER, message: MESSAGE })],
    ['empty', bodyOf('')],
    ['blank', bodyOf('  ')],
    ['declared', bodyOf('unsigned')],
    ['declared at length', bodyOf('unsigned: no key yet')],
  ])('%s is refused when one is required, and passes when it is optional', (_name, body) => {
    expect(refusalOf(body)).toMatchObject({ code: 'err.signature.missing', pointer: '/signature' });
    expect(verify(body, { policy: 'optional' }).signedBy).toBeUndefined();
  });

  it('is judged by what was received, not by what was normalised', () => {
    const envelope: Envelope = { header: HEADER, message: MESSAGE };
    expect(verify(bodyOf(GOOD), { envelope }).signedBy?.kid).toBe(KEY.kid);
    expect(refusalOf(bodyOf('forged'), { envelope, policy: 'optional' }).code).toBe('err.signature.invalid');
    expect(refusalOf(bodyOf(''), { envelope: { ...envelope, signature: GOOD } }).code).toBe('err.signature.missing');
  });
});

describe.each(['required', 'optional'] as const)('a bad signature, where one is %s', (policy) => {
  const content = canonicalJson({ header: HEADER, message: MESSAGE });

  it.each([
    ['that is none', 'forged', 'list of parameters'],
    ['that only mentions unsigned', 'not unsigned', 'list of parameters'],
    [
      'that is the published example',
      'Signature: namespace="dci", kidId="{sender_id}|{unique_key_id}|{algorithm}", algorithm="ed25519"',
      'missing',
    ],
    ['by a key that is not registered', signContent(content, OTHER_KEY, TERMS), 'not registered'],
    ['by another key under a registered id', signContent(content, { ...OTHER_KEY, kid: KEY.kid }, TERMS), 'does not fit'],
    ['in the name of another sender', signContent(content, KEY, { ...TERMS, senderId: 'other' }), 'sender_id'],
    ['in the name of a sender whose name begins alike', signContent(content, KEY, { ...TERMS, senderId: 'spmis2' }), 'sender_id'],
    ['with the algorithm swapped', GOOD.replaceAll('ES256', 'ed25519'), 'algorithm'],
    ['with the algorithm taken away', GOOD.replaceAll('ES256', 'none'), '"algorithm"'],
    ['with an algorithm of shared secrets', GOOD.replaceAll('ES256', 'HS256'), '"algorithm"'],
    ['over other content', signContent('{}', KEY, TERMS), 'does not fit'],
    ['over the message without its header', signContent(canonicalJson({ message: MESSAGE }), KEY, TERMS), 'does not fit'],
    ['that has expired', signContent(content, KEY, { ...TERMS, created: NOW - 300, expires: NOW }), 'expired'],
    ['from the future', signContent(content, KEY, { ...TERMS, created: NOW + 61 }), 'future'],
    ['that lasts longer than a day', signContent(content, KEY, { ...TERMS, expires: NOW + 86_401 }), '24 hours'],
    [
      'that ends before it begins',
      GOOD.replace(`created="${NOW}"`, `created="${NOW + 30}"`).replace(`expires="${NOW + 300}"`, `expires="${NOW + 20}"`),
      'after "created"',
    ],
    ['with another beginning', GOOD.replace(`created="${NOW}"`, `created="${NOW - 1}"`), 'does not fit'],
    ['with another end', GOOD.replace(`expires="${NOW + 300}"`, `expires="${NOW + 301}"`), 'does not fit'],
  ])('%s is refused, saying why', (_name, signature, reason) => {
    const error = refusalOf(bodyOf(signature), { policy });
    expect(error).toMatchObject({ code: 'err.signature.invalid', pointer: '/signature' });
    expect(error.message).toContain(reason);
  });

  it('that is no string is refused', () => {
    const envelope = parseEnvelope({ header: HEADER, message: MESSAGE });
    for (const signature of [0, true, {}, [GOOD]])
      expect(refusalOf(bodyOf(signature), { policy, envelope }).code).toBe('err.signature.invalid');
  });

  it('never has its key or itself repeated', () => {
    const { signature } = parseDciSignature(GOOD);
    const error = refusalOf(bodyOf(GOOD, { message: {} }), { policy });
    expect(error.message).not.toContain(KEY.kid);
    expect(error.message).not.toContain(Buffer.from(signature).toString('base64'));
  });
});

describe('verification by an executor', () => {
  const content = canonicalJson({ header: HEADER, message: MESSAGE });
  const verification = (body: string): Verification => {
    const received = readJson(body);
    return { received, envelope: parseEnvelope(received.value), policy: 'required', findKey: keyRing(KEY), now: NOW };
  };

  it('says what verification here says', async () => {
    const executor = executeInPlace();
    expect(await verifyMessageBy(executor, verification(bodyOf(GOOD)))).toEqual(verify(bodyOf(GOOD)));
    expect(executor.asked()).toBe(1);
  });

  it.each([
    ['over other content', signContent('{}', KEY, TERMS), 6],
    ['by a key that is not registered', signContent(content, OTHER_KEY, TERMS), 0],
    ['that has expired', signContent(content, KEY, { ...TERMS, created: NOW - 300, expires: NOW }), 0],
  ])('refuses a signature %s, and asks no more than it must', async (_name, signature, asked) => {
    const executor = executeInPlace();
    const refused = refusalOf(bodyOf(signature));
    await expect(verifyMessageBy(executor, verification(bodyOf(signature)))).rejects.toMatchObject({ message: refused.message });
    expect(executor.asked()).toBe(asked);
  });

  const large = {
    ...MESSAGE,
    search_request: Array.from({ length: 1_000 }, (_, index) => ({ ...MESSAGE.search_request[0], reference_id: `r-${index}` })),
  };
  const largeContent = canonicalJson({ header: HEADER, message: large });
  const largeBody = (signature: string): string => bodyOf(signature, { message: large });

  const countPauses = async (body: string): Promise<number> => {
    const executor = executeInPlace();
    await expect(verifyMessageBy(executor, verification(body))).rejects.toMatchObject({ code: 'err.signature.invalid' });
    return executor.paused();
  };

  it.each([
    ['dci', 5],
    ['jws-detached', 5],
    // Whether the payload says the same in another way is judged in two further steps.
    ['jws', 7],
  ] as const)(
    'pauses before each step of a large message with a forged %s signature, and never in a small one',
    async (dialect, pauses) => {
      const forge = (signed: string): string => signContent(signed.replace('t-1', 't-2'), KEY, { ...TERMS, dialect });
      expect(await countPauses(largeBody(forge(largeContent)))).toBe(pauses);
      expect(await countPauses(bodyOf(forge(content)))).toBe(0);
    },
  );

  it.each(SIGNATURE_DIALECTS)('accepts a large message signed in %s, as verification here does', async (dialect) => {
    for (const form of ['jcs', 'sorted-ascii'] as const) {
      const body = largeBody(signContent(writeInForm(largeContent, form), KEY, { ...TERMS, dialect }));
      const accepted = await verifyMessageBy(executeInPlace(), verification(body));
      expect(accepted).toEqual(verify(body));
      expect(accepted.signedBy).toMatchObject({ dialect, form });
    }
  });
});

describe('time', () => {
  const content = canonicalJson({ header: HEADER, message: MESSAGE });

  it.each([
    ['a minute ahead', { created: NOW + 60, expires: NOW + 120 }],
    ['about to expire', { created: NOW - 300, expires: NOW + 1 }],
    ['of a whole day', { created: NOW, expires: NOW + 86_400 }],
    ['of a day that is nearly over', { created: NOW - 86_399, expires: NOW + 1 }],
  ])('allows a signature %s', (_name, times) => {
    expect(verify(bodyOf(signContent(content, KEY, { ...TERMS, ...times }))).signedBy?.expires).toBe(times.expires);
  });

  it('that is not known allows none', () => {
    expect(refusalOf(bodyOf(GOOD), { now: Number.NaN }).code).toBe('err.signature.invalid');
  });
});

describe('keys', () => {
  it('that come under an id they do not have are not used', () => {
    const key = importPublicKey(publicJwk(KEY));
    expect(refusalOf(bodyOf(GOOD), { findKey: () => ({ ...key, kid: 'another' }) }).message).toContain('not registered');
  });

  it('sign by their own algorithm only', () => {
    const key = importPublicKey(publicJwk(EDWARDS_KEY));
    expect(refusalOf(bodyOf(GOOD), { findKey: (kid) => ({ ...key, kid }) }).message).toContain('algorithm');
  });

  it('and senders may have a bar in their ids, without being mistaken for each other', () => {
    const key: SigningKey = { ...KEY, kid: 'b|c' };
    const header = { ...HEADER, sender_id: 'a' };
    const signature = signContent(canonicalJson({ header, message: MESSAGE }), key, { ...TERMS, senderId: 'a' });
    expect(verify(bodyOf(signature, { header }), { findKey: keyRing(key) }).signedBy?.kid).toBe('b|c');
    const other = { ...HEADER, sender_id: 'a|b' };
    expect(refusalOf(bodyOf(signature, { header: other }), { findKey: keyRing({ ...KEY, kid: 'c' }) }).code).toBe('err.signature.invalid');
  });
});

it('hands on no message of another sender or id than the one that was signed', () => {
  for (const change of [{ sender_id: 'other' }, { message_id: 'm-2' }]) {
    const envelope: Envelope = { header: { ...HEADER, ...change }, message: MESSAGE };
    expect(refusalOf(bodyOf(GOOD), { envelope }).code).toBe('err.sender_id.invalid');
  }
  const received: JsonText = readJson('[]');
  expect(refusalOf('', { received, envelope: { header: HEADER, message: MESSAGE }, policy: 'optional' }).code).toBe(
    'err.sender_id.invalid',
  );
});

describe('an answer or a callback', () => {
  const header = { message_id: 'm-9', message_ts: '2023-11-14T22:13:21Z', action: 'on-search', status: 'rjct', sender_id: 'registry' };
  const key = { ...KEY, kid: 'registry-1' };

  function verifyAnswer(members: object, signedContent: object): VerifiedMessage<CallbackEnvelope> {
    const signature = signContent(canonicalJson(signedContent), key, { ...TERMS, senderId: 'registry' });
    const received = readJson(JSON.stringify({ ...members, signature }));
    return verifyMessage({
      received,
      envelope: parseCallbackEnvelope(received.value),
      policy: 'required',
      findKey: keyRing(key),
      now: NOW,
    });
  }

  it('is verified like a request, without a message too', () => {
    expect(verifyAnswer({ header }, { header }).message).toBeUndefined();
    expect(verifyAnswer({ header, message: MESSAGE }, { header, message: MESSAGE }).header.status).toBe('rjct');
  });

  it('is refused when its message was added or taken away', () => {
    expect(() => verifyAnswer({ header }, { header, message: MESSAGE })).toThrow('does not fit');
    expect(() => verifyAnswer({ header, message: MESSAGE }, { header })).toThrow('does not fit');
  });

  it('is refused when it does not say who sent it', () => {
    const { sender_id: _, ...anonymous } = header;
    expect(() => verifyAnswer({ header: anonymous }, { header: anonymous })).toThrow('sender_id');
  });
});

describe('damage to a signed message', () => {
  const body = bodyOf(GOOD);
  const bytes = Buffer.from(body);
  const findKey = keyRing(KEY, OTHER_KEY, EDWARDS_KEY);

  /** What a message says, in a form in which messages that say the same are equal. */
  function meaningOf({ value }: JsonText): string {
    const { signature, header, message } = value as { signature: string; header: unknown; message: unknown };
    return canonicalJson({
      ...parseDciSignature(signature),
      signature: Buffer.from(parseDciSignature(signature).signature).toString('hex'),
      header,
      message,
    });
  }

  const meant = meaningOf(readJson(body));

  /** Refused by code, or a message that says exactly what was signed. */
  function assertHarmless(damaged: Uint8Array): void {
    try {
      const received = readJson(damaged);
      verifyMessage({ received, envelope: parseEnvelope(received.value), policy: 'required', findKey, now: NOW });
      expect(meaningOf(received)).toBe(meant);
    } catch (error) {
      expect(error).toMatchObject({ name: 'DciError' });
    }
  }

  it('by any one bit is refused', () => {
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const damaged = Buffer.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assertHarmless(damaged);
    }
  });

  it('by cutting, inserting and exchanging is refused', () => {
    const place = fc.nat(bytes.length);
    fc.assert(
      fc.property(
        place,
        place,
        fc.oneof(fc.string({ maxLength: 10 }), fc.constantFrom('"', '\\"', ',', '{}', '"message":{},', '|', '1')),
        (from, to, inserted) => {
          assertHarmless(Buffer.concat([bytes.subarray(0, from), Buffer.from(inserted), bytes.subarray(to)]));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('in any value, and any member more or less, is refused', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string(), { maxLength: 2 }));
    const places = pointersOf({ header: HEADER, message: MESSAGE });
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.oneof(fc.constant('z'), fc.string()),
        value,
        fc.boolean(),
        (place, name, inserted, removes) => {
          const changed = structuredClone({ signature: GOOD, header: HEADER, message: MESSAGE });
          const target = place
            .slice(0, -1)
            .reduce<Record<string | number, unknown>>((at, step) => at[step] as Record<string, unknown>, changed);
          const last = place.at(-1) ?? '';
          if (removes) delete target[last];
          else if (name === 'z' && !Array.isArray(target)) target[name] = inserted;
          else target[last] = inserted;
          const text = JSON.stringify(changed);
          if (text === body) return;
          assertHarmless(Buffer.from(text));
          expect(() => verify(text)).toThrow(DciError);
        },
      ),
      { numRuns: 1000 },
    );
  });
});

function pointersOf(value: unknown, path: readonly (string | number)[] = []): readonly (string | number)[][] {
  const inner =
    typeof value !== 'object' || value === null
      ? []
      : Object.entries(value).flatMap(([name, member]) => pointersOf(member, [...path, name]));
  return path.length > 1 ? [[...path], ...inner] : [...inner];
}
