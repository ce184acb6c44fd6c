export type { Acknowledged } from './acknowledgement.ts';
export type { Credentials } from './access-token.ts';
export type { Answer } from './answer.ts';
export type { AnswerItem } from './question.ts';
export {
  createDciClient,
  type DciClient,
  type DciClientOptions,
  type ExistsAnswer,
  type LaterOptions,
  type MatchAnswer,
  type SearchAnswer,
  type SearchOptions,
  type StatisticsAnswer,
  type StatusAnswer,
  type StatusQuestion,
} from './client.ts';
export { DciAnswerError, DciConnectionError, DciRefusal } from './errors.ts';
export type { FetchedManifest } from './extract/fetch-manifest.ts';
export { type ByteStream, openExtract, unpackExtract } from './extract/open-extract.ts';
export { type SearchMessage, type SearchMessageParts, writeEncryptedSearchMessage, writeSearchMessage } from './search-message.ts';
export { fetchVerificationKeys, readVerificationKeys } from './verification-keys.ts';
