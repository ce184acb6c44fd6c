export type { Acknowledged } from './acknowledgement.ts';
export type { Credentials } from './access-token.ts';
export { createDciClient, type DciClient, type DciClientOptions, type LaterOptions, type SearchOptions } from './client.ts';
export { DciAnswerError, DciConnectionError, DciRefusal } from './errors.ts';
export type { SearchAnswer } from './search-answer.ts';
export { type SearchMessage, type SearchMessageParts, writeEncryptedSearchMessage, writeSearchMessage } from './search-message.ts';
