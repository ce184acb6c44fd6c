import { parseEncryptedMessage } from '../envelope.ts';
import type { OpenObject } from '../formats.ts';
import { type ReadJsonOptions, readJson } from '../json-text.ts';
import { type Decryption, decryptText, invalidEncryption } from './jwe.ts';

interface Sealable {
  readonly header: { readonly is_msg_encrypted?: boolean | undefined };
  readonly message?: OpenObject | undefined;
}

/**
 * The message with its payload in clear, where it came encrypted; else as it is. Verify the signature first: it covers the
 * encrypted form, and what is opened says nothing of who encrypted it. A verified message stays one.
 *
 * @param options how the JSON of the payload is read.
 * @throws DciError `err.encryption.invalid`, or `err.request.bad` where the encrypted form lacks a member
 *
 * @example
 * const opened = await openMessage(message, { findKey: (kid) => own.get(kid), maxBytes: 1_000_000 });
 */
export async function openMessage<M extends Sealable>(message: M, decryption: Decryption, options: ReadJsonOptions = {}): Promise<M> {
  if (message.header.is_msg_encrypted !== true || message.message === undefined) return message;
  const bytes = await decryptText(parseEncryptedMessage(message.message), decryption);
  return { ...message, message: readPayload(bytes, options) };
}

function readPayload(bytes: Uint8Array, options: ReadJsonOptions): OpenObject {
  const value = readValue(bytes, options);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidEncryption('what was encrypted is not a JSON object');
  return value as OpenObject;
}

function readValue(bytes: Uint8Array, options: ReadJsonOptions): unknown {
  try {
    return readJson(bytes, options).value;
  } catch (cause) {
    throw invalidEncryption('what was encrypted is not JSON as messages are written', '/message', cause);
  }
}
