export type { Acknowledged } from './acknowledgement.ts';
export type { Credentials } from './access-token.ts';
export type { Answer } from './answer.ts';
export type { AnswerItem } from './question.ts';
export type {
  DciClient,
  DciClientOptions,
  ExistsAnswer,
  LaterOptions,
  MatchAnswer,
  SearchAnswer,
  SearchOptions,
  StatisticsAnswer,
  StatusAnswer,
  StatusQuestion,
} from './client.ts';
export { createDciClient } from './create-client.ts';
export { DciAnswerError, DciConnectionError, DciRefusal } from './errors.ts';
export type { FetchedManifest } from './extract/fetch-manifest.ts';
export { type ByteStream, openExtract, unpackExtract } from './extract/open-extract.ts';
export { type SearchMessage, type SearchMessageParts, writeEncryptedSearchMessage, writeSearchMessage } from './search-message.ts';
export { fetchVerificationKeys, readVerificationKeys } from './verification-keys.ts';
