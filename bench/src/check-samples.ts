import type { JsonWebKey } from 'node:crypto';
import { importPublicKey, parseCallbackEnvelope, parseSearchResponse, readJson, verifyMessage } from '@dci/protocol';
import type { Sample } from './fire.ts';

/** Throws unless each sampled answer holds exactly the records asked for, one each and in order, signed by one of `keys` where there are any. */
export function checkSamples(samples: readonly Sample[], keys: readonly JsonWebKey[] | undefined): void {
  for (const { shot, body } of samples) {
    const records = keys === undefined ? readFloorRecords(body) : readSignedRecords(body, keys);
    if (records.length !== shot.expected.length) throw new Error(`${records.length} records came for ${shot.expected.length} identifiers`);
    shot.expected.forEach((value, index) => {
      if (!JSON.stringify(records[index]).includes(JSON.stringify(value))) throw new Error(`the record of ${value} is another's`);
    });
  }
}

function readFloorRecords(body: string): readonly unknown[] {
  return (JSON.parse(body) as { reg_records: unknown[] }).reg_records;
}

function readSignedRecords(body: string, keys: readonly JsonWebKey[]): readonly unknown[] {
  const received = readJson(body);
  const { header, message } = parseCallbackEnvelope(received.value);
  const imported = new Map(keys.map((jwk) => importPublicKey(jwk)).map((key) => [key.kid, key]));
  verifyMessage({
    received,
    envelope: { header: { ...header, sender_id: header.sender_id ?? '', total_count: header.total_count ?? 0 }, message: message ?? {} },
    policy: 'required',
    findKey: (kid) => imported.get(kid),
    now: Math.floor(Date.now() / 1000),
  });
  return parseSearchResponse(message).search_response.flatMap((item) => item.data?.reg_records ?? []);
}
