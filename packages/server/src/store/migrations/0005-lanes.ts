import { type Kysely, sql } from 'kysely';

/** Work that was promised: jobs, what holds them, and the workers that do them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

// Rows come and go; what is dead must be swept soon, or look-ups in order of time wade through it.
const SHORT_LIVED =
  'fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0';

const STATEMENTS = [
  `create table job (
    id bigint generated always as identity primary key,
    kind text not null,
    owner text not null,
    lane text,
    payload json not null,
    state text not null default 'ready' check (state in ('ready', 'waiting', 'running', 'done', 'failed', 'dead')),
    run_at timestamptz not null default now(),
    attempts integer not null default 0,
    claims integer not null default 0,
    worker uuid,
    error text,
    created_at timestamptz not null default now()
  ) with (${SHORT_LIVED})`,
  `create index job_ready on job (kind, owner, run_at, id) where state = 'ready'`,
  `create index job_taken on job (kind, owner) where state in ('running', 'done', 'failed')`,
  `create index job_in_lane on job (kind, lane, id) where lane is not null and state <> 'dead'`,
  `create index job_dead on job (kind, created_at) where state = 'dead'`,

  `create table job_hold (
    kind text not null,
    owner text not null,
    lane text not null default '',
    until timestamptz,
    reason text not null,
    since timestamptz not null default now(),
    primary key (kind, owner, lane)
  )`,

  `create table worker (
    id uuid primary key,
    started_at timestamptz not null default now(),
    seen_at timestamptz not null
  )`,
];
