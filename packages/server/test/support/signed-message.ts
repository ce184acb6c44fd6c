import { randomUUID } from 'node:crypto';
import { canonicalJson, signContent, signedContent } from '@dci/protocol';
import { SERVER_ID, type TestPartner } from './test-app.ts';

type Json = Record<string, unknown>;

/** A message as the partner would send it, signed. */
export function signedMessage(partner: TestPartner, action: string, message: Json, header: Json = {}): string {
  const created = Math.floor(Date.now() / 1000);
  const whole = {
    version: '1.0.0',
    message_id: randomUUID(),
    message_ts: new Date().toISOString(),
    action,
    sender_id: partner.senderId,
    receiver_id: SERVER_ID,
    total_count: 1,
    ...header,
  };
  const content = signedContent(canonicalJson(whole), canonicalJson(message));
  const signature = signContent(content, partner.key, { senderId: partner.senderId, created, expires: created + 300 });
  return JSON.stringify({ signature, header: whole, message });
}
