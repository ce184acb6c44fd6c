import type { JsonWebKey } from 'node:crypto';
import type { ColumnType, Generated, GeneratedAlways } from 'kysely';

/** The fixed tables, as Kysely sees them. Record tables are made from profiles and are not here. */
export interface Tables {
  profile_applied: { registry: string; fingerprint: string; applied_at: Timestamp };
  identifier: {
    registry: string;
    type: string;
    value: string;
    record_type: string;
    record_id: string;
    is_unique: boolean;
    valid_from: Timestamp;
    valid_to: Date | null;
  };
  membership: {
    group_id: string;
    member_id: string;
    registry: string;
    is_head: boolean;
    position: number;
    linked_at: Timestamp;
  };
  change_event: {
    seq: GeneratedAlways<string>;
    xid: Generated<string>;
    registry: string;
    record_type: string;
    record_id: string;
    version: number;
    kind: string;
    changed: Generated<string[]>;
    related_id: string | null;
    at: Timestamp;
    body: Generated<string | null>;
  };
  event_cursor: { name: string; done_xid: string; done_seq: string; until_xid: string; until_seq: string; last_seq: string };
  subscription_filter: {
    id: GeneratedAlways<string>;
    registry: string;
    record_type: string;
    hash: Buffer;
    filter: unknown;
    is_exact: boolean;
  };
  subscription_filter_key: { registry: string; record_type: string; field: string; value: string; filter_id: string };
  subscription: {
    id: string;
    code: string;
    partner_id: string;
    registry: string;
    entity: string;
    event_type: string;
    filter_id: string;
    criteria: unknown;
    locale: string | null;
    schedule: string | null;
    starts_at: Date;
    ends_at: Date | null;
    notify_uri: string | null;
    state: string;
    reason: string | null;
    gathering_until: Date | null;
    failing_since: Date | null;
    created_at: Timestamp;
    updated_at: Timestamp;
  };
  pending_event: {
    subscription_id: string;
    seq: string;
    record_type: string;
    record_id: string;
    version: number;
    kind: string;
    changed: string[];
    at: Date;
  };
  location: { code: string; name: string; type: string; parent: string | null; updated_at: Timestamp };
  partner: {
    id: string;
    revision: Generated<string>;
    sender_id: string;
    name: string;
    active: Generated<boolean>;
    registries: string[];
    scopes: string[];
    signature_policy: string;
    lenient: Generated<boolean>;
    default_entity: string | null;
    legal_basis: string | null;
    purposes: Generated<string[]>;
    field_rule: string | null;
    limits: ColumnType<Record<string, number>, string | undefined, string>;
    dialect: Generated<string>;
    encryption_policy: Generated<string>;
    created_at: Timestamp;
    updated_at: Timestamp;
  };
  partner_credential: {
    client_id: string;
    partner_id: string;
    secret_hash: string;
    created_at: Timestamp;
    revoked_at: Date | null;
  };
  partner_key: {
    partner_id: string;
    kid: string;
    use: Generated<string>;
    algorithm: string;
    public_jwk: ColumnType<JsonWebKey, string, string>;
    created_at: Timestamp;
    revoked_at: Date | null;
  };
  own_key: {
    kid: string;
    use: 'sig' | 'enc';
    algorithm: string;
    public_jwk: ColumnType<JsonWebKey, string, string>;
    sealed_private_key: Buffer | null;
    created_at: Timestamp;
    active_from: Date;
    retired_at: Date | null;
    withdrawn_at: Date | null;
  };
  message_seen: { partner_id: string; message_id: string; expires_at: Date };
  audit: {
    seq: GeneratedAlways<string>;
    at: Timestamp;
    partner_id: string;
    sender_id: string;
    remote_address: string;
    action: string;
    registry: string;
    message_id: string;
    transaction_id: string | null;
    correlation_id: string | null;
    legal_basis: string | null;
    purposes: Generated<string[]>;
    field_rule: string | null;
    outcome: string;
    query: unknown;
    item_count: number;
    record_count: number;
    disclosed: unknown;
  };
  write_request: { partner_id: string; key: string; request_hash: Buffer; answer: string | null; expires_at: Date };
  job: {
    id: GeneratedAlways<string>;
    kind: string;
    owner: string;
    lane: string | null;
    payload: unknown;
    state: Generated<string>;
    run_at: Timestamp;
    attempts: Generated<number>;
    claims: Generated<number>;
    worker: string | null;
    error: string | null;
    created_at: Timestamp;
  };
  job_hold: { kind: string; owner: string; lane: Generated<string>; until: Date | null; reason: string; since: Timestamp };
  worker: { id: string; started_at: Timestamp; seen_at: Date };
  rate_window: { subject: string; window_start: Date; points: number };
}

/** Set by the database unless given. */
type Timestamp = ColumnType<Date, Date | undefined, Date>;
