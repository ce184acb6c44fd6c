import { writeSearchMessage } from '@dci/client';
import { generateSigningKey } from '@dci/protocol';
import { clientFor, expect, firstRecord, POOR_HOUSEHOLDS, refusalOf, REGISTRY, type Step } from './demo-step.ts';

/** What a partner is not given. */

export async function fewerFieldsStep(step: Step): Promise<void> {
  const { title, done, print, uin, clinic } = step;
  title(`${clinic.senderId} asks for the same person; its agreement gives it the field rule "minimal"`);
  const client = clientFor(step, clinic);
  const person = firstRecord(await client.search({ query_type: 'idtype-value', query: { type: 'UIN', value: uin } }, REGISTRY));
  print(
    `     fields given: ${Object.keys(person)
      .filter((name) => !name.startsWith('@'))
      .join(', ')}`,
  );
  expect(!('birth_date' in person) && !('address' in person), 'neither birth date nor address is given');
  const refusal = await refusalOf(client.search(POOR_HOUSEHOLDS, REGISTRY));
  done(`and it may not search by what it may not see: ${refusal.code}`);
}

export async function forgeryStep(step: Step): Promise<void> {
  const { title, done, programme } = step;
  title(`Somebody has the token of ${programme.senderId} and not its key`);
  const forger = clientFor(step, { ...programme, key: { ...generateSigningKey('ES256'), kid: programme.key.kid } });
  const refusal = await refusalOf(forger.search({ query_type: 'idtype-value', query: { type: 'UIN', value: step.uin } }, REGISTRY));
  expect(refusal.status === 401 && refusal.code === 'err.signature.invalid', 'the forged message is refused');
  done(`HTTP ${refusal.status} ${refusal.code}`);
}

export async function replayStep({ client, title, done, baseUrl, programme, serverId, uin }: Step): Promise<void> {
  title('Somebody sends a recorded message once more');
  const { text } = writeSearchMessage({
    senderId: programme.senderId,
    receiverId: serverId,
    criteria: [{ query_type: 'idtype-value', query: { type: 'UIN', value: uin } }],
    signingKey: programme.key,
    now: Date.now(),
  });
  const headers = { authorization: `Bearer ${await client.getToken()}`, 'content-type': 'application/json' };
  const send = async (): Promise<{ header: { status: string; status_reason_code?: string }; message?: unknown }> => {
    const response = await fetch(`${baseUrl}/social/registry/sync/search`, { method: 'POST', headers, body: text });
    return (await response.json()) as Awaited<ReturnType<typeof send>>;
  };
  expect((await send()).header.status === 'succ', 'the first is answered');
  const again = await send();
  expect(again.header.status === 'rjct' && again.message === undefined, 'the second is not');
  done(`the second is refused, signed and without a record: ${again.header.status_reason_code}`);
}
