/**
 * What two parties of the SPDCI standard agree on: messages and their schemas, codes, signatures, canonical text.
 * Everything here is pure: a time or a key is an argument, and nothing reads a clock, the network or a database.
 * What does not fit is refused by a `DciError` whose words never repeat what was received.
 */

export * from './acknowledgement.ts';
export * from './actions/exists.ts';
export * from './actions/export.ts';
export * from './actions/match.ts';
export * from './actions/notify.ts';
export * from './actions/search.ts';
export * from './actions/statistics.ts';
export * from './actions/subscribe.ts';
export * from './actions/txn-status.ts';
export * from './actions/unsubscribe.ts';
export * from './canonical.ts';
export * from './codes.ts';
export * from './dci-error.ts';
export * from './emit.ts';
export * from './envelope.ts';
export * from './formats.ts';
export * from './encryption/encryption-keys.ts';
export * from './extract/content-key.ts';
export * from './extract/manifest.ts';
export * from './extract/manifest-signature.ts';
export * from './extract/segments.ts';
export * from './json-text.ts';
export * from './lenient.ts';
export * from './query.ts';
export * from './registries/registry-wire.ts';
export * from './registries/social.ts';
export * from './signature/keys.ts';
export * from './subscription.ts';
export * from './verified-message.ts';
export { compileParser, type Parser } from './message-parser.ts';
export { type Decryption, decryptText, encryptText, invalidEncryption } from './encryption/jwe.ts';
export { openMessage } from './encryption/open-message.ts';
export { thumbprint } from './key-material.ts';
export { DIGEST_FORMS, type DigestForm, writeInForm } from './signature/content-form.ts';
export { findAlgorithm, type SignatureAlgorithm, type SignatureCheck, signBytes, verifyBytes } from './signature/algorithms.ts';
export {
  type DciSignature,
  type JwsSignature,
  keyIdOf,
  type ParsedSignature,
  SIGNATURE_DIALECTS,
  type SignatureDialect,
} from './signature/parsed-signature.ts';
export { parseSignature } from './signature/parse-signature.ts';
export type { SignatureExecutor, SignatureOrder } from './signature/executor.ts';
export { signContent, signContentBy } from './signature/sign-content.ts';
export type { SignatureTerms } from './signature/signature-terms.ts';
