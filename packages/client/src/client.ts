import type {
  DecryptionKey,
  EncryptionKey,
  ExistsCriteria,
  ExistsResponseItem,
  ExportCriteria,
  ExtractManifest,
  MatchCriteria,
  MatchResponseItem,
  RequestState,
  SearchCriteria,
  SearchResponseItem,
  SignatureDialect,
  SigningKey,
  StatisticsCriteria,
  StatisticsResponseItem,
  SubscribeCriteria,
  TxnType,
  VerificationKey,
} from '@dci/protocol';
import type { Credentials } from './access-token.ts';
import type { Acknowledged } from './acknowledgement.ts';
import type { Answer } from './answer.ts';
import type { FetchedManifest } from './extract/fetch-manifest.ts';

/** Where a server is, who calls it, and by what both are known. */
export interface DciClientOptions {
  /** Path below which the registries answer, e.g. `https://social.example.org/api/v2/dci`. */
  readonly baseUrl: string;
  /** The partner's own `sender_id`. */
  readonly senderId: string;
  /** The server's `sender_id`; when given, messages name it and answers must come from it. */
  readonly receiverId?: string;
  /** Client id and secret, from which tokens are obtained as needed, or a token. */
  readonly credentials: Credentials;
  /** Signs requests; absent, they go unsigned, which a server takes only from partners registered so. */
  readonly signingKey?: SigningKey;
  /** In which requests are signed; default `dci`. Answers are read in every dialect. */
  readonly dialect?: SignatureDialect;
  /** Encrypt requests, to a key of the server's: this one, or with `true` the first of its JWKS. Answers then come encrypted. */
  readonly encrypt?: boolean | EncryptionKey;
  /** Private keys that the server may encrypt answers to, under the ids by which it knows them. */
  readonly decryptionKeys?: readonly DecryptionKey[];
  /** Keys of the server; absent, they are fetched from `jwksUrl`. */
  readonly verificationKeys?: readonly VerificationKey[];
  /** Default: `{baseUrl}/.well-known/jwks.json`. */
  readonly jwksUrl?: string;
  /** Default: `{baseUrl}/oauth2/client/token`. */
  readonly tokenUrl?: string;
  /** `unverified` takes answers whatever their signature; default `required`. */
  readonly answerSignatures?: 'required' | 'unverified';
  /** Longest an exchange may take, milliseconds; default 30,000. */
  readonly timeoutMs?: number;
  /** Largest answer that is read, bytes; default 64 MiB. */
  readonly maxAnswerBytes?: number;
  readonly fetch?: typeof globalThis.fetch;
  /** Epoch milliseconds; default `Date.now`. */
  readonly clock?: () => number;
}

export interface SearchOptions {
  /** Registry in the path, e.g. `social`; absent, the server takes it from `reg_type` or its default. */
  readonly registry?: string;
  /** At most 99 characters; absent, a new one. */
  readonly transactionId?: string;
  /** ISO 639-3, e.g. `eng`. */
  readonly locale?: string;
}

export interface LaterOptions extends SearchOptions {
  /** Where the answer is to be sent; absent, where the server has been told to send what this partner is sent. */
  readonly senderUri?: string;
}

/** The answer to a search: records with `succ`. */
export type SearchAnswer = Answer<SearchResponseItem>;

/** The answer to an existence check: the identifiers that are there with `succ`. */
export type ExistsAnswer = Answer<ExistsResponseItem>;

/** The answer to a match: records that seem to be of the person with `succ`, the likeliest first. */
export type MatchAnswer = Answer<MatchResponseItem>;

/** The answer to a request for statistics: numbers with `succ`. */
export type StatisticsAnswer = Answer<StatisticsResponseItem>;

/** Which earlier request is asked after: what it asked for, and its own `transaction_id`. */
export interface StatusQuestion {
  readonly type: Exclude<TxnType, 'receipt'>;
  readonly transactionId: string;
}

/** What became of an earlier request. */
export interface StatusAnswer extends Pick<Answer<never>, 'header' | 'signedBy'> {
  readonly state: RequestState;
}

/** A client of one DCI server, as one of its partners. It holds a token and the server's keys; make one and keep it. */
export interface DciClient {
  /**
   * Searches synchronously: one item for each of the criteria, in one signed message.
   *
   * Source: `POST registry/sync/search` of the SPDCI OpenAPI 1.0.0.
   *
   * @returns the verified answer, items in the order of the criteria; of several, some may be refused by a code of their own
   * @throws DciRefusal when the server refuses the message, or all of its items
   * @throws DciAnswerError when the answer must not be used: not signed by the server, not an answer to this message
   * @throws DciConnectionError when there is no answer
   *
   * @example
   * const { items } = await client.search({ query_type: 'idtype-value', query: { type: 'UIN', value: '847951632' } });
   * const person = items[0]?.data?.reg_records[0];
   */
  search(criteria: SearchCriteria | readonly SearchCriteria[], options?: SearchOptions): Promise<SearchAnswer>;
  /**
   * Asks which of many identifiers are registered, up to 10,000 an item; nothing else is told of any record.
   *
   * Source: an extension of this project's server, `POST registry/sync/exists`. Needs the scope `registry/exists`.
   *
   * @returns the verified answer, items in the order of the criteria: identifiers in the order in which they were asked for
   * @throws as `search`; DciRefusal also when more identifiers were checked in a day than the agreement allows (`err.request.too_many_requests`)
   *
   * @example
   * const { items } = await client.exists({ identifier_type: 'UIN', identifier_values: ['847951632', '847951640'] });
   * const registered = new Set(items[0]?.data?.identifier_values);
   */
  exists(criteria: ExistsCriteria | readonly ExistsCriteria[], options?: SearchOptions): Promise<ExistsAnswer>;
  /**
   * Asks which records seem to be of a person of whom a few things are known, and why.
   *
   * Source: an extension of this project's server, `POST registry/sync/match`. Needs the scope `registry/match`.
   *
   * @returns the verified answer, items in the order of the criteria: matches with their probability (0 to 1) and evidence in bits
   * @throws as `exists`
   *
   * @example
   * const { items } = await client.match({
   *   person: { name: { given_name: 'Aminata', surname: 'Diallo' }, birth_date: '1990-04-23', sex: 'female' },
   *   least_probability: 0.9,
   * });
   * const likeliest = items[0]?.data?.matches[0]?.record;
   */
  match(criteria: MatchCriteria | readonly MatchCriteria[], options?: SearchOptions): Promise<MatchAnswer>;
  /**
   * Asks how many records there are, and how they are distributed; no record is told.
   *
   * Source: an extension of this project's server, `POST registry/sync/statistics`. Needs the scope `registry/statistics`.
   *
   * @returns the verified answer, items in the order of the criteria; counts are off by up to their `accuracy`
   * @throws as `search`
   *
   * @example
   * const everything = { query_type: 'idtype-value', query: { type: '*', value: '*' } } as const;
   * const { items } = await client.statistics({ dimensions: ['district', 'sex'], ...everything });
   * const rows = items[0]?.statistics?.rows; // [{ values: { region, district, sex }, count, accuracy }, …]
   */
  statistics(criteria: StatisticsCriteria | readonly StatisticsCriteria[], options?: SearchOptions): Promise<StatisticsAnswer>;
  /**
   * Searches asynchronously: the server acknowledges now, and sends the answer, a signed `on-search`, to `senderUri`.
   * Whoever receives it verifies it; it belongs to this search by its transaction and correlation id.
   *
   * Source: `POST registry/search` of the SPDCI OpenAPI 1.0.0.
   *
   * @returns the ids under which the answer comes
   * @throws DciRefusal when the server does not take the message; DciAnswerError, DciConnectionError as in `search`, and
   *   then it is not known whether it did
   *
   * @example
   * const { transactionId } = await client.searchLater(criteria, { senderUri: 'https://spmis.example.org/dci/registry/on-search' });
   */
  searchLater(criteria: SearchCriteria | readonly SearchCriteria[], options?: LaterOptions): Promise<Acknowledged>;
  /**
   * Asks to be told of events: one item for each of the criteria. What comes of it is sent to `senderUri`, a signed
   * `on-subscribe`; the events, `notify`, to the address beside it.
   *
   * Source: `POST registry/subscribe` of the SPDCI OpenAPI 1.0.0.
   *
   * @throws as `searchLater`
   *
   * @example
   * await client.subscribe(
   *   { reg_event_type: 'UPDATE', notify_record_type: 'Member', filter_type: 'idtype-value', filter: { type: 'UIN', value: '847951632' } },
   *   { senderUri: 'https://spmis.example.org/dci/registry/on-subscribe' },
   * );
   */
  subscribe(criteria: SubscribeCriteria | readonly SubscribeCriteria[], options?: LaterOptions): Promise<Acknowledged>;
  /**
   * Ends subscriptions by their codes. What came of it is sent to `senderUri`, a signed `on-unsubscribe`.
   *
   * Source: `POST registry/unsubscribe` of the SPDCI OpenAPI 1.0.0.
   *
   * @throws as `searchLater`
   *
   * @example
   * await client.unsubscribe([code], { senderUri: 'https://spmis.example.org/dci/registry/on-unsubscribe' });
   */
  unsubscribe(codes: readonly string[], options?: Omit<LaterOptions, 'locale'>): Promise<Acknowledged>;
  /**
   * Asks for a research extract: one row a record, of the dimensions named. It is made in the background; where it is to be
   * fetched is sent to `senderUri`, a signed `on-export`.
   *
   * Source: an extension of this project's server, `POST registry/export`. Needs the scope `registry/export`, and a
   * registered key of this partner to encrypt to.
   *
   * @throws as `searchLater`
   *
   * @example
   * const everything = { query_type: 'idtype-value', query: { type: '*', value: '*' } } as const;
   * await client.exportLater({ dimensions: ['region', 'sex', 'education_level'], format: 'csv', ...everything });
   */
  exportLater(criteria: ExportCriteria, options?: LaterOptions): Promise<Acknowledged>;
  /**
   * Asks what became of an earlier request of this partner: what would be sent to it, or was, of requests that are answered
   * later. Items that are still worked on have the status `pdng`.
   *
   * Source: `POST registry/sync/txn/status` of the SPDCI OpenAPI 1.0.0. Needs the scope `registry/search`.
   *
   * @throws as `search`; DciRefusal also where no such request of this partner is known
   *
   * @example
   * const { state } = await client.findStatus({ type: 'export', transactionId }, { registry: 'social' });
   * const extract = state.export_response?.[0]?.extract;
   */
  findStatus(asked: StatusQuestion, options?: Pick<SearchOptions, 'registry'>): Promise<StatusAnswer>;
  /**
   * Fetches the manifest of an extract and verifies it: signed by the server, made out to this partner.
   *
   * Source: an extension of this project's server, `GET registry/extracts/{id}/manifest`. Needs the scope `registry/export`.
   *
   * @param url address of the extract, as `on-export` gives it; it lies below `baseUrl`
   * @throws DciRefusal `err.request.not_found` also when it has expired or is another partner's
   * @throws DciAnswerError when it must not be used
   *
   * @example
   * const { manifest, jws } = await client.fetchExtractManifest(extract.url);
   * await writeFile('extract.jws', jws);
   */
  fetchExtractManifest(url: string): Promise<FetchedManifest>;
  /**
   * Fetches the sealed file of an extract; where the connection breaks, it goes on behind the last byte that came.
   *
   * Source: an extension of this project's server, `GET registry/extracts/{id}` with ranges (RFC 9110 section 14).
   *
   * @param manifest of that extract: no bytes of another file are given
   * @param from how many bytes are there already
   * @throws as `fetchExtractManifest`; DciConnectionError when nothing came in several attempts
   *
   * @example
   * const { manifest } = await client.fetchExtractManifest(extract.url);
   * await pipeline(client.readExtract(extract.url, manifest), createWriteStream('extract.sealed'));
   */
  readExtract(url: string, manifest: ExtractManifest, from?: number): AsyncIterable<Uint8Array>;
  /**
   * The access token that the next message would carry; a new one is obtained when there is none or it is about to expire.
   *
   * Source: RFC 6749 section 4.4.
   *
   * @throws DciRefusal with the endpoint's error, e.g. `invalid_client`
   *
   * @example
   * const authorization = `Bearer ${await client.getToken()}`;
   */
  getToken(): Promise<string>;
  /**
   * The keys by which answers are verified, by key id.
   *
   * Source: RFC 7517; `GET .well-known/jwks.json` of the SPDCI OpenAPI 1.0.0.
   *
   * @example
   * const kids = [...(await client.getKeys()).keys()];
   */
  getKeys(): Promise<ReadonlyMap<string, VerificationKey>>;
}
