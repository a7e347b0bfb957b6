/** For each alert: series on which it fires, what it says then, and series on which it does not. */
import type { AlertName } from '../../grafana/source/alerts.ts';

/** Values of a series every 15 s, as promtool reads them: `0+3x40` is 0, 3, 6, … 120. */
export type World = Readonly<Record<string, string>>;

export type AlertCase = {
  readonly bad: World;
  /** The value in words, where its description has it. */
  readonly says?: string;
  /** Beside the alert's own. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly good: readonly World[];
  /** When it is looked at; 10m unless said. */
  readonly at?: string;
};

const OPEN = 'fairslot_releases_releases{phase="open"}';
const entries = (outcome: string): string => `fairslot_rounds_entries_total{outcome="${outcome}"}`;
const status = (code: number): string => `fairslot_http_requests_total{status="${code}"}`;
const asked = 'fairslot_people_otps_asked_total{outcome="sent"}';
const right = 'fairslot_people_otps_checked_total{outcome="right"}';
const buckets = (name: string, values: Readonly<Record<string, string>>): World =>
  Object.fromEntries(
    Object.entries(values).map(([le, value]) => [`${name}_bucket{le="${le}"}`, value]),
  );
const answers = (values: Readonly<Record<string, string>>): World =>
  buckets('fairslot_http_request_duration_seconds', values);
const scripts = (values: Readonly<Record<string, string>>): World =>
  buckets('fairslot_redis_script_duration_seconds', values);
const oldest = (priority: string): string =>
  `fairslot_notify_oldest_waiting_seconds{priority="${priority}"}`;
const dead = 'fairslot_notify_dead_letters_sms{priority="routine"}';
const budget = (outcome: string): string =>
  `fairslot_gates_sms_budget_total{requester="new",outcome="${outcome}"}`;
const target = 'up{job="fairslot",instance="engine:9463"}';
const running = 'fairslot_processes_running_state{process="worker-1"}';
const restarts = 'fairslot_processes_restarts_total{process="server-1"}';
const lag = 'nodejs_eventloop_lag_p99_seconds{process="server-1"}';
const discrepancies = 'fairslot_reconcile_discrepancies_count{kind="seats-low"}';
const sums = 'fairslot_reconcile_discrepancies_count{kind="sums-differ"}';
const connected = 'fairslot_redis_connected{process="server-1"}';
const faults = (kind: string): string => `fairslot_redis_script_errors_total{kind="${kind}"}`;
/** Prometheus knows of an engine, and nothing else. */
const NOTHING = { [target]: '1x40' };

export const ALERT_CASES: Readonly<Record<AlertName, AlertCase>> = {
  NobodyGetsIn: {
    bad: { [OPEN]: '1x40', [entries('refused')]: '0+10x40' },
    says: '0%',
    good: [
      { [OPEN]: '1x40', [entries('refused')]: '0+10x40', [entries('entered')]: '0+5x40' },
      { [OPEN]: '0x40', [entries('refused')]: '0+10x40' },
      { [OPEN]: '1x40', [entries('refused')]: '0x30 1x10' },
      { [OPEN]: '1x40' },
    ],
  },
  NobodySignsIn: {
    bad: { [asked]: '0+4x40' },
    says: '0%',
    good: [{ [asked]: '0+4x40', [right]: '0+3x40' }, { [asked]: '0x30 1x10' }, NOTHING],
  },
  AnswersFail: {
    bad: { [status(503)]: '0+1x40', [status(200)]: '0+9x40' },
    says: '10%',
    good: [{ [status(503)]: '0+1x40', [status(200)]: '0+99x40' }, { [status(429)]: '0+9x40' }],
  },
  FaultInServer: {
    bad: { [status(500)]: '0+1x80' },
    says: '60',
    good: [{ [status(503)]: '0+1x80' }, NOTHING],
    at: '16m',
  },
  AnswersSlow: {
    bad: answers({ '1': '0x40', '2.5': '0+10x40', '+Inf': '0+10x40' }),
    says: '2.485s',
    good: [answers({ '0.1': '0+10x40', '1': '0+10x40', '+Inf': '0+10x40' }), NOTHING],
  },
  ServerFull: {
    bad: { 'fairslot_http_connections_dropped_total{reason="full"}': '0+1x40' },
    says: '20',
    good: [{ 'fairslot_http_connections_dropped_total{reason="address"}': '0+1x40' }, NOTHING],
  },
  LimitsRefuseMany: {
    bad: {
      'fairslot_gates_limit_refusals_total{limit="read"}': '0+4x40',
      [status(200)]: '0+10x40',
    },
    says: '40%',
    good: [
      { 'fairslot_gates_limit_refusals_total{limit="read"}': '0+2x40', [status(200)]: '0+10x40' },
      { [status(200)]: '0+10x40' },
    ],
  },
  RoundOverdue: {
    bad: { fairslot_rounds_overdue_seconds: '0+15x40' },
    says: '10m 0s',
    good: [{ fairslot_rounds_overdue_seconds: '30x40' }],
  },
  RoundFaults: {
    bad: { fairslot_rounds_faults_total: '0+1x80' },
    says: '40',
    good: [{ fairslot_rounds_faults_total: '0x40 1x20' }, NOTHING],
    at: '15m',
  },
  BeaconLate: {
    bad: { fairslot_rounds_beacon_wait_seconds: '45x40' },
    says: '45s',
    good: [{ fairslot_rounds_beacon_wait_seconds: '10x40' }],
  },
  ReconcileDiscrepancies: {
    bad: { [discrepancies]: '2x40' },
    says: '2',
    labels: { kind: 'seats-low' },
    good: [{ [discrepancies]: '0x40' }, { [sums]: '2x40' }],
  },
  ReconcileSumsDiffer: {
    bad: { [sums]: '2x40' },
    says: '2',
    good: [{ [sums]: '0x40' }, { [discrepancies]: '2x40' }],
  },
  ReconcileOld: {
    // No run ever ended.
    bad: { fairslot_reconcile_every_seconds: '60x40', process_start_time_seconds: '0x40' },
    says: '10m 0s',
    good: [
      { fairslot_reconcile_every_seconds: '3600x40', fairslot_reconcile_age_seconds: '60x40' },
      { fairslot_reconcile_every_seconds: '7200x40', fairslot_reconcile_age_seconds: '14400x40' },
      { fairslot_reconcile_every_seconds: '0x40', fairslot_reconcile_age_seconds: '14400x40' },
    ],
  },
  TargetDown: {
    bad: { [target]: '0x40' },
    labels: { job: 'fairslot', instance: 'engine:9463' },
    good: [{ [target]: '1x40' }, { [target]: '1x38 0x2' }],
  },
  ServerMissing: {
    bad: NOTHING,
    says: '0',
    good: [{ 'fairslot_http_in_flight_requests{process="server-1"}': '0x40' }],
  },
  WorkerMissing: {
    bad: NOTHING,
    says: '0',
    good: [{ 'fairslot_rounds_beacon_wait_seconds{process="worker-1"}': '0x40' }],
  },
  ProcessRestarts: {
    bad: { [restarts]: '0+1x80' },
    says: '60',
    labels: { process: 'server-1' },
    good: [{ [restarts]: '0x50 1x30' }, { [restarts]: '7x80' }],
    at: '16m',
  },
  ProcessNotReady: {
    bad: { [running]: '0x40' },
    labels: { process: 'worker-1' },
    good: [{ [running]: '1x40' }, { [running]: '1x36 0x4' }],
  },
  EventLoopLag: {
    bad: { [lag]: '0.4x40' },
    says: '400ms',
    labels: { process: 'server-1' },
    good: [{ [lag]: '0.02x40' }],
  },
  FilesNearLimit: {
    bad: {
      'process_open_fds{process="server-1"}': '900x40',
      'process_max_fds{process="server-1"}': '1000x40',
    },
    says: '90%',
    labels: { process: 'server-1' },
    good: [
      {
        'process_open_fds{process="server-1"}': '100x40',
        'process_max_fds{process="server-1"}': '1000x40',
      },
    ],
  },
  OtpsWait: {
    bad: { [oldest('urgent')]: '45x40' },
    says: '45s',
    good: [{ [oldest('urgent')]: '5x40', [oldest('routine')]: '600x40' }],
  },
  OutboxOld: {
    bad: { [oldest('routine')]: '2400x40' },
    says: '40m 0s',
    good: [{ [oldest('routine')]: '600x40' }],
  },
  GatewayAway: {
    bad: { fairslot_notify_gateway_away_state: '1x40' },
    good: [{ fairslot_notify_gateway_away_state: '0x40' }],
  },
  DeadLetters: {
    bad: { [dead]: '0+1x240' },
    says: '240',
    labels: { priority: 'routine' },
    good: [{ [dead]: '5x240' }, { [dead]: '240-1x240' }],
    at: '1h',
  },
  SmsBudgetSpent: {
    bad: { [budget('SPENT')]: '0+1x40' },
    says: '8',
    good: [{ [budget('TAKEN')]: '0+1x40' }, NOTHING],
  },
  CaptchaProviderDown: {
    bad: { fairslot_gates_captcha_provider_down: '1x40' },
    good: [{ fairslot_gates_captcha_provider_down: '0x40' }],
  },
  SecurityCodesGuessed: {
    bad: { 'fairslot_arrivals_arrivals_total{outcome="tries-spent"}': '0+1x80' },
    good: [{ 'fairslot_arrivals_arrivals_total{outcome="arrived"}': '0+1x80' }, NOTHING],
    at: '15m',
  },
  RedisDown: {
    bad: { fairslot_redis_up: '1x40', [connected]: '0x40' },
    good: [{ fairslot_redis_up: '1x40', [connected]: '1x40' }],
  },
  RedisNodeFailing: {
    bad: { 'fairslot_redis_nodes{state="failing"}': '2x40' },
    says: '2',
    good: [{ 'fairslot_redis_nodes{state="failing"}': '0x40' }, NOTHING],
  },
  RedisAofWriteError: {
    bad: { fairslot_redis_aof_write_ok: '0x40' },
    good: [{ fairslot_redis_aof_write_ok: '1x40' }],
  },
  RedisAofOff: {
    bad: { fairslot_redis_aof_enabled: '0x40' },
    good: [{ fairslot_redis_aof_enabled: '1x40' }],
  },
  RedisMemoryNearMax: {
    bad: { fairslot_redis_memory_used_ratio: '0.9x40' },
    says: '90%',
    good: [{ fairslot_redis_memory_used_ratio: '0.5x40' }],
  },
  RedisEvicts: {
    bad: { fairslot_redis_evicted_keys_total: '0+1x240' },
    says: '240',
    good: [{ fairslot_redis_evicted_keys_total: '3x240' }],
    at: '1h',
  },
  RedisReplicaMissing: {
    bad: { fairslot_redis_replicas: '2x40 1x20' },
    says: '1',
    good: [
      { fairslot_redis_replicas: '0x60' },
      { fairslot_redis_replicas: '1x20 2x40' },
      // A spare that follows while a backup is taken.
      { fairslot_redis_replicas: '1x20 2x6 1x40' },
    ],
    at: '15m',
  },
  RedisReplicaLags: {
    bad: { fairslot_redis_replication_lag_seconds: '30x40' },
    says: '30s',
    good: [{ fairslot_redis_replication_lag_seconds: '0.5x40' }, NOTHING],
  },
  RedisSlow: {
    bad: scripts({ '0.5': '0x40', '2.5': '0+10x40', '+Inf': '0+10x40' }),
    says: '2.48s',
    good: [scripts({ '0.001': '0+9x40', '0.025': '0+10x40', '+Inf': '0+10x40' })],
  },
  RedisScriptFaults: {
    bad: { [faults('fault')]: '0+1x80' },
    says: '60',
    good: [{ [faults('away')]: '0+1x80' }, NOTHING],
    at: '16m',
  },
};
