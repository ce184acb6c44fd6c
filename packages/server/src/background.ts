import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { AuditLog } from './disclosure/audit-log.ts';
import type { QueryDescriber } from './disclosure/query-description.ts';
import type { GuardedClient } from './outbound/guarded-client.ts';
import type { Profile } from './profiles/profile.ts';
import { createRequestAcceptor, type RequestAcceptor } from './services/accept-request.ts';
import { createRequestAnswerer } from './services/answer-request.ts';
import type { AnswerWriter } from './services/answer-writer.ts';
import type { AsyncAction } from './services/async-action.ts';
import { createAsyncSearch } from './services/async-search.ts';
import { createDeliverer } from './services/deliver-message.ts';
import type { JobBell } from './services/job-bell.ts';
import type { PartnerDirectory } from './services/partner-directory.ts';
import type { Reception, Sender } from './services/receive-message.ts';
import { createReceiverCredentials } from './services/receiver-credentials.ts';
import type { Sealer } from './services/sealer.ts';
import type { Search } from './services/search.ts';
import type { Database } from './store/database.ts';
import type { TaskKind } from './worker/task-kind.ts';
import { answerTask } from './worker/tasks/answer.ts';
import { deliverTask } from './worker/tasks/deliver.ts';

/** What is taken now and done later: the actions, how they are taken, and the kinds of jobs that do them. */
export interface Background {
  readonly actions: readonly AsyncAction[];
  readonly acceptor: RequestAcceptor;
  readonly kinds: readonly TaskKind[];
}

export interface BackgroundParts {
  readonly config: Config;
  readonly database: Database;
  readonly profiles: readonly Profile[];
  readonly directory: PartnerDirectory;
  readonly sealer: Sealer;
  readonly client: GuardedClient;
  readonly bell: JobBell;
  readonly audit: AuditLog;
  readonly answers: AnswerWriter;
  readonly search: Search;
  readonly reception: Reception;
  readonly describeQuery: QueryDescriber;
  readonly cursorKey: Buffer;
  readonly charge: (sender: Sender, points: number) => Promise<void>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
}

export function createBackground(parts: BackgroundParts): Background {
  const { db } = parts.database;
  const actions = [createAsyncSearch(parts)];
  const answerer = createRequestAnswerer({ ...parts, db, actions });
  const credentials = createReceiverCredentials(parts);
  return {
    actions,
    acceptor: createRequestAcceptor({ ...parts, db }),
    kinds: [answerTask(answerer), deliverTask(createDeliverer({ ...parts, db, credentials }))] as readonly TaskKind[],
  };
}
