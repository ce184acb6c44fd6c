import type { SigningKey } from '@dci/protocol';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { AuditLog } from './disclosure/audit-log.ts';
import type { QueryDescriber } from './disclosure/query-description.ts';
import type { GuardedClient } from './outbound/guarded-client.ts';
import type { Profile } from './profiles/profile.ts';
import type { Reader } from './registry/reader.ts';
import { createRequestAcceptor, type RequestAcceptor } from './services/accept-request.ts';
import { createRequestAnswerer } from './services/answer-request.ts';
import type { SyncService } from './services/answer-sync.ts';
import { createTxnStatusService } from './services/answer-txn-status.ts';
import type { AnswerWriter } from './services/answer-writer.ts';
import type { AsyncAction } from './services/async-action.ts';
import { createAsyncExport } from './services/async-export.ts';
import { createAsyncSearch } from './services/async-search.ts';
import { createAsyncSubscribe } from './services/async-subscribe.ts';
import { createAsyncUnsubscribe } from './services/async-unsubscribe.ts';
import { createAsyncTxnStatus } from './services/async-txn-status.ts';
import { createDeliverer } from './services/deliver-message.ts';
import { type ExtractKeys, openExtractKeys } from './services/extract-keys.ts';
import { createExtractMaker } from './services/make-extract.ts';
import { fanOut } from './services/fan-out.ts';
import type { JobBell } from './services/job-bell.ts';
import { createNotifier, notifyJob } from './services/notify.ts';
import type { PartnerDirectory } from './services/partner-directory.ts';
import type { Reception, Sender } from './services/receive-message.ts';
import { createReceiverCredentials } from './services/receiver-credentials.ts';
import { createRemaker } from './services/remake-delivery.ts';
import type { Sealer } from './services/sealer.ts';
import type { Pseudonyms } from './disclosure/pseudonyms.ts';
import type { Search } from './services/search.ts';
import type { CriteriaParts } from './services/plan-items.ts';
import { watchNotifications } from './services/watch-notifications.ts';
import { createTxnStatus } from './services/txn-status.ts';
import type { Database } from './store/database.ts';
import { enqueueJobs } from './store/lanes.ts';
import type { TaskKind } from './worker/task-kind.ts';
import { answerTask } from './worker/tasks/answer.ts';
import { type FanOutLoop, startFanOutLoop } from './worker/fan-out-loop.ts';
import { deliverTask } from './worker/tasks/deliver.ts';
import { createExtractThreads } from './worker/extract-threads.ts';
import { exportTask } from './worker/tasks/export.ts';
import { notifyTask } from './worker/tasks/notify.ts';

/** What is taken now and done later: the actions, how they are taken, and the kinds of jobs that do them. */
export interface Background {
  readonly status: SyncService;
  readonly actions: readonly AsyncAction[];
  readonly acceptor: RequestAcceptor;
  readonly kinds: readonly TaskKind[];
  /** Begins to carry changes on to subscriptions. */
  startFanOut(): FanOutLoop;
  /** Ends what works beside this thread; after the workers. */
  close(): Promise<void>;
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
  readonly reader: Reader;
  readonly reception: Reception;
  readonly describeQuery: QueryDescriber;
  readonly cursorKey: Buffer;
  readonly pseudonyms: Pseudonyms;
  readonly charge: (sender: Sender, points: number) => Promise<void>;
  /** How records are found. */
  readonly finding: CriteriaParts;
  readonly extractKeys: ExtractKeys;
  readonly activeKey: () => SigningKey;
  /** Where partners reach this server, without the base path. */
  readonly origin: () => string;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly log: Logger;
}

export function createBackground(parts: BackgroundParts): Background {
  const { db } = parts.database;
  const { now } = parts;
  const subscribing = [createAsyncSubscribe({ ...parts, ...parts.config }), createAsyncUnsubscribe(parts)];
  const making = { ...parts, ...parts.config, keys: parts.extractKeys };
  const inPlace = createExtractMaker({ ...making, ...openExtractKeys(parts.extractKeys) });
  const extractThreads = createExtractThreads({ ...making, inPlace });
  const exporting = createAsyncExport({
    ...parts,
    ...parts.finding,
    db,
    maker: extractThreads,
    base: () => `${parts.origin()}${parts.config.basePath}`,
  });
  const status = createTxnStatus({ ...parts, db, now, begun: [...subscribing, exporting] });
  const actions = [createAsyncSearch(parts), ...subscribing, exporting, createAsyncTxnStatus({ ...parts, status })];
  const answerer = createRequestAnswerer({ ...parts, db, actions });
  const notifier = createNotifier({ ...parts, db });
  const credentials = createReceiverCredentials(parts);
  const remake = createRemaker({ answerer, notifier });
  return {
    status: createTxnStatusService({ ...parts, status }),
    actions,
    acceptor: createRequestAcceptor({ ...parts, db }),
    kinds: [
      answerTask(answerer),
      exportTask(answerer),
      deliverTask(createDeliverer({ ...parts, db, credentials, remake, watch: watchNotifications })),
      notifyTask(notifier),
    ] as readonly TaskKind[],
    close: () => extractThreads.close(),
    startFanOut: () =>
      startFanOutLoop({
        ...parts,
        turn: () =>
          fanOut({
            ...parts,
            db,
            enqueue: (transaction, due) =>
              enqueueJobs(
                transaction,
                due.map(({ partnerId, subscriptionId, runAt }) => notifyJob(partnerId, { subscription: subscriptionId }, runAt)),
              ),
          }),
      }),
  };
}
