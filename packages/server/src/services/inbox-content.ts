import type { Sealer } from './sealer.ts';

/** What a message in the inbox says: its header and its message, opened, as JSON. Kept sealed: it is about people. */
export interface InboxContent {
  readonly header: Readonly<Record<string, unknown>>;
  readonly message: Readonly<Record<string, unknown>>;
}

/** What the content of the message `id` is sealed for. */
export function inboxUse(id: string): string {
  return `inbox message ${id}`;
}

export function sealContent(sealer: Sealer, id: string, content: InboxContent): Buffer {
  return sealer.seal(Buffer.from(JSON.stringify(content)), inboxUse(id));
}

export function openContent(sealer: Sealer, { id, sealedContent }: { readonly id: string; readonly sealedContent: Buffer }): InboxContent {
  return JSON.parse(sealer.unseal(sealedContent, inboxUse(id)).toString()) as InboxContent;
}
