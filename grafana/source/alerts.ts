/**
 * What an operator is told. `page`: somebody is woken, since people are kept out or something that
 * was promised is in danger. `ticket`: to be looked at the next day. Written to alerts.yml, which
 * Prometheus reads. docs/operations.md has a part for each, by its name in small letters.
 */
import { stringify } from 'yaml';
import { RUNBOOK_URL } from './runbook.ts';

/** How a value is said: of 0 to 1 as percent, of seconds as `1h 2m 3s`. */
type Said = 'count' | 'seconds' | 'share';

export type Alert = {
  /** PromQL that always has a value while all is well: only so is silence good news. */
  readonly value: string;
  readonly above?: number;
  readonly below?: number;
  /** Only while this has a value, too. */
  readonly when?: string;
  readonly for: string;
  readonly severity: 'page' | 'ticket';
  /** What a lost Redis causes too: not told beside RedisDown. */
  readonly isSymptomOfRedis?: boolean;
  readonly said: Said;
  readonly summary: string;
  /** `{value}` is the value, in words. */
  readonly description: string;
};

/** A counter of something rare is not there before it is counted: then it is 0. */
const counted = (of: string, duration: string): string =>
  `(sum(increase(${of}[${duration}])) or vector(0))`;
const shareOf = (part: string, whole: string, duration: string): string =>
  `(sum(rate(${part}[${duration}])) or vector(0)) / sum(rate(${whole}[${duration}]))`;

const GOT_IN = `(${counted('fairslot_rounds_entries_total{outcome=~"entered|edited|repeated"}', '5m')} + ${counted('fairslot_bookings_immediate_total{outcome="booked"}', '5m')})`;
const TRIED = `(${counted('fairslot_rounds_entries_total{outcome!="withdrawn"}', '5m')} + ${counted('fairslot_bookings_immediate_total{outcome!="moved"}', '5m')})`;
const SIGNED_IN = counted('fairslot_people_otps_checked_total{outcome="right"}', '5m');
const OTPS_SENT = counted('fairslot_people_otps_asked_total{outcome="sent"}', '5m');

const PEOPLE = {
  NobodyGetsIn: {
    value: `${GOT_IN} / ${TRIED}`,
    below: 0.05,
    when: `${TRIED} > 20 and max(fairslot_releases_releases{phase="open"}) > 0`,
    for: '2m',
    severity: 'page',
    isSymptomOfRedis: true,
    said: 'share',
    summary: 'A release is open, and hardly anybody gets in',
    description:
      'Of those who tried to enter or to book in the last 5 minutes, {value} succeeded. See on the dashboard Release night what the others were refused for.',
  },
  NobodySignsIn: {
    value: `${SIGNED_IN} / ${OTPS_SENT}`,
    below: 0.05,
    when: `${OTPS_SENT} > 20`,
    for: '3m',
    severity: 'page',
    isSymptomOfRedis: true,
    said: 'share',
    summary: 'OTPs go out, and hardly anybody signs in with them',
    description:
      'Of the OTPs of the last 5 minutes, {value} came back right. Either SMS do not arrive though the gateway takes them, or somebody has them sent to strangers.',
  },
  AnswersFail: {
    value: shareOf(
      'fairslot_http_requests_total{status=~"5.."}',
      'fairslot_http_requests_total',
      '2m',
    ),
    above: 0.02,
    for: '1m',
    severity: 'page',
    isSymptomOfRedis: true,
    said: 'share',
    summary: 'Requests fail that should not',
    description:
      '{value} of all requests were answered with 5xx: UNAVAILABLE (503) while Redis does not answer, INTERNAL (500) for a fault of ours.',
  },
  FaultInServer: {
    value: counted('fairslot_http_requests_total{status="500"}', '15m'),
    above: 0,
    for: '0s',
    severity: 'ticket',
    said: 'count',
    summary: 'A request met a fault of ours',
    description:
      'About {value} requests of the last 15 minutes were answered with INTERNAL (500). The log has the stack of each, at level error.',
  },
  AnswersSlow: {
    value:
      'histogram_quantile(0.99, sum by (le) (rate(fairslot_http_request_duration_seconds_bucket[5m])))',
    above: 1,
    for: '3m',
    severity: 'page',
    isSymptomOfRedis: true,
    said: 'seconds',
    summary: 'Answers are slow',
    description:
      'One request in a hundred takes {value} or more. The dashboard Process says whether processors or Redis are the reason.',
  },
  ServerFull: {
    value: counted('fairslot_http_connections_dropped_total{reason="full"}', '5m'),
    above: 0,
    for: '0s',
    severity: 'page',
    said: 'count',
    summary: 'A server has all the connections it takes, and drops others',
    description:
      '{value} connections were dropped in the last 5 minutes, without an answer: whoever comes now sees a page that does not load.',
  },
  LimitsRefuseMany: {
    value: shareOf('fairslot_gates_limit_refusals_total', 'fairslot_http_requests_total', '5m'),
    above: 0.3,
    for: '5m',
    severity: 'ticket',
    said: 'share',
    summary: 'Limits refuse a large part of all requests',
    description:
      '{value} of all requests are over a limit. It may be a flood, which is what limits are for; it may be TRUSTED_PROXIES, without which everybody counts as one. The dashboard Gates says which limit, and by what.',
  },
} as const satisfies Readonly<Record<string, Alert>>;

/** Where none ever ended: since the first process started. */
const RECONCILED_AGO =
  '(max(fairslot_reconcile_age_seconds) or (time() - min(process_start_time_seconds)))';

const ROUNDS = {
  RoundOverdue: {
    value: 'max(fairslot_rounds_overdue_seconds)',
    above: 60,
    for: '30s',
    severity: 'page',
    isSymptomOfRedis: true,
    said: 'seconds',
    summary: 'A round is due and is not drawn',
    description:
      'The round that is due longest is overdue by {value}. Nobody loses anything by it, but everybody waits.',
  },
  RoundFaults: {
    value: counted('fairslot_rounds_faults_total', '10m'),
    above: 3,
    for: '0s',
    severity: 'ticket',
    isSymptomOfRedis: true,
    said: 'count',
    summary: 'A step of a round fails again and again',
    description:
      '{value} steps failed in the last 10 minutes and are tried again. The log of the workers says why, at level error.',
  },
  BeaconLate: {
    value: 'max(fairslot_rounds_beacon_wait_seconds)',
    above: 30,
    for: '0s',
    severity: 'page',
    said: 'seconds',
    summary: 'A round waits for a value of drand that is overdue',
    description:
      'The value is overdue by {value}. Nothing else can be drawn in its place. The dashboard Rounds shows what the endpoints answer.',
  },
  ReconcileDiscrepancies: {
    value: 'max by (kind) (fairslot_reconcile_discrepancies_count{kind!="sums-differ"})',
    above: 0,
    for: '0s',
    severity: 'page',
    said: 'count',
    summary: 'Books do not agree: {{ $labels.kind }}',
    description:
      'Reconciling found {value} discrepancies of the kind {{ $labels.kind }}: what Redis holds is not what the published rounds say.',
  },
  ReconcileSumsDiffer: {
    value: 'max(fairslot_reconcile_discrepancies_count{kind="sums-differ"})',
    above: 0,
    for: '0s',
    severity: 'ticket',
    said: 'count',
    summary: 'Sums of a release are not those of its seats',
    description:
      'Of {value} releases the sums that metrics show are wrong. Seats and bookings are right.',
  },
  ReconcileOld: {
    value: RECONCILED_AGO,
    above: 0,
    when: `${RECONCILED_AGO} > 3 * max(fairslot_reconcile_every_seconds) and max(fairslot_reconcile_every_seconds) > 0`,
    for: '0s',
    severity: 'ticket',
    said: 'seconds',
    summary: 'Books were not reconciled for long',
    description:
      'No reconciling has ended for {value}; a worker does it every RECONCILE_EVERY_S. The log of the workers says why it does not.',
  },
} as const satisfies Readonly<Record<string, Alert>>;

const PROCESSES = {
  TargetDown: {
    value: 'up',
    below: 1,
    for: '1m',
    severity: 'page',
    said: 'count',
    summary: 'Prometheus does not reach {{ $labels.instance }}',
    description:
      'Of {{ $labels.job }} at {{ $labels.instance }} nothing is known: the engine may be down, or the network between.',
  },
  ServerMissing: {
    value: 'count(fairslot_http_in_flight_requests) or vector(0)',
    below: 1,
    for: '30s',
    severity: 'page',
    said: 'count',
    summary: 'No server runs',
    description: '{value} servers tell their metrics: nobody can sign in, enter or confirm.',
  },
  WorkerMissing: {
    value: 'count(fairslot_rounds_beacon_wait_seconds) or vector(0)',
    below: 1,
    for: '1m',
    severity: 'page',
    said: 'count',
    summary: 'No worker runs',
    description:
      '{value} workers tell their metrics: no round is drawn, no offer lapses, and no SMS goes out, OTPs included.',
  },
  ProcessRestarts: {
    value: 'sum by (process) (increase(fairslot_processes_restarts_total[15m]))',
    above: 2,
    for: '0s',
    severity: 'page',
    said: 'count',
    summary: '{{ $labels.process }} ends again and again',
    description:
      '{{ $labels.process }} was started {value} times in the last 15 minutes. The log has its last words, and the supervisor the exit code.',
  },
  ProcessNotReady: {
    value: 'min by (process) (fairslot_processes_running_state)',
    below: 1,
    for: '2m',
    severity: 'page',
    isSymptomOfRedis: true,
    said: 'count',
    summary: '{{ $labels.process }} does not get ready',
    description:
      '{{ $labels.process }} should run and has not been ready for 2 minutes. The log says what it waits for.',
  },
  EventLoopLag: {
    value: 'max by (process) (nodejs_eventloop_lag_p99_seconds)',
    above: 0.25,
    for: '3m',
    severity: 'ticket',
    said: 'seconds',
    summary: '{{ $labels.process }} has more to do than its processor can',
    description:
      'Whatever {{ $labels.process }} is asked waits {value} before it is looked at: more servers are needed, or less is asked of it.',
  },
  FilesNearLimit: {
    value: 'max by (process) (process_open_fds / process_max_fds)',
    above: 0.8,
    for: '1m',
    severity: 'page',
    said: 'share',
    summary: '{{ $labels.process }} will soon be able to open no connection',
    description:
      '{{ $labels.process }} has {value} of the files open that its ulimit allows; connections are files.',
  },
} as const satisfies Readonly<Record<string, Alert>>;

const SMS = {
  OtpsWait: {
    value: 'max(fairslot_notify_oldest_waiting_seconds{priority="urgent"})',
    above: 30,
    for: '0s',
    severity: 'page',
    isSymptomOfRedis: true,
    said: 'seconds',
    summary: 'OTPs are not handed over',
    description: 'An OTP has waited for {value}: nobody new can sign in.',
  },
  OutboxOld: {
    value: 'max(fairslot_notify_oldest_waiting_seconds{priority="routine"})',
    above: 1800,
    for: '0s',
    severity: 'ticket',
    isSymptomOfRedis: true,
    said: 'seconds',
    summary: 'SMS about offers come late',
    description:
      'The oldest SMS that waits is {value} old. Offers have a deadline that runs while their SMS wait.',
  },
  GatewayAway: {
    value: 'max(fairslot_notify_gateway_away_state)',
    above: 0,
    for: '1m',
    severity: 'page',
    said: 'count',
    summary: 'The SMS gateway does not take SMS',
    description:
      'A worker finds the gateway away and only probes it. SMS wait and none is lost, but nobody new can sign in.',
  },
  DeadLetters: {
    value: 'max by (priority) (delta(fairslot_notify_dead_letters_sms[1h]))',
    above: 0.5,
    for: '0s',
    severity: 'ticket',
    said: 'count',
    summary: 'SMS have died',
    description:
      '{value} {{ $labels.priority }} SMS of the last hour will not be tried again. The command "sms dead" says which and why.',
  },
  SmsBudgetSpent: {
    value: counted('fairslot_gates_sms_budget_total{outcome="SPENT"}', '2m'),
    above: 0,
    for: '0s',
    severity: 'page',
    said: 'count',
    summary: 'The SMS budget is spent',
    description:
      '{value} OTPs of the last 2 minutes were refused since their budget is spent. Either more people come than it was set for, or somebody has SMS sent.',
  },
  CaptchaProviderDown: {
    value: 'max(fairslot_gates_captcha_provider_down)',
    above: 0,
    for: '2m',
    severity: 'ticket',
    said: 'count',
    summary: 'The captcha provider fails',
    description: 'Proof of work stands in for it, so people get in; bots pay less than they would.',
  },
  SecurityCodesGuessed: {
    value: counted('fairslot_arrivals_arrivals_total{outcome="tries-spent"}', '10m'),
    above: 0,
    for: '0s',
    severity: 'ticket',
    said: 'count',
    summary: 'Security codes are being guessed',
    description:
      'An operator key has had thirty wrong security codes today, or a booking five. The command "audit --of centres" says whose key.',
  },
} as const satisfies Readonly<Record<string, Alert>>;

const REDIS = {
  RedisDown: {
    value: 'min({__name__=~"fairslot_redis_(up|connected)"})',
    below: 1,
    for: '15s',
    severity: 'page',
    said: 'count',
    summary: 'A process does not reach Redis',
    description:
      'Nothing is granted while Redis is away: whoever enters gets UNAVAILABLE (503) and may try again. What was acknowledged is safe.',
  },
  RedisNodeFailing: {
    value: 'max(fairslot_redis_nodes{state="failing"}) or vector(0)',
    above: 0,
    for: '30s',
    severity: 'page',
    isSymptomOfRedis: true,
    said: 'count',
    summary: 'A node of the Redis Cluster fails',
    description:
      '{value} nodes do not answer: releases and people whose keys are on them get UNAVAILABLE (503).',
  },
  RedisAofWriteError: {
    value: 'min(fairslot_redis_aof_write_ok)',
    below: 1,
    for: '0s',
    severity: 'page',
    said: 'count',
    summary: 'Redis cannot write to its disk',
    description:
      'The last write of the AOF failed: Redis refuses writes until it can. Most often the disk is full.',
  },
  RedisAofOff: {
    value: 'min(fairslot_redis_aof_enabled)',
    below: 1,
    for: '1m',
    severity: 'page',
    said: 'count',
    summary: 'Redis writes no AOF',
    description:
      'A Redis that ends now loses what was acknowledged. The engine needs appendonly yes and appendfsync always.',
  },
  RedisMemoryNearMax: {
    value: 'max(fairslot_redis_memory_used_ratio)',
    above: 0.8,
    for: '1m',
    severity: 'page',
    said: 'share',
    summary: 'Redis has little memory left',
    description:
      'The fullest node uses {value} of its maxmemory. At 100% it refuses writes: nobody can enter.',
  },
  RedisEvicts: {
    value: 'max(increase(fairslot_redis_evicted_keys_total[1h]))',
    above: 0,
    for: '0s',
    severity: 'page',
    said: 'count',
    summary: 'Redis throws keys away',
    description:
      'About {value} keys were evicted in the last hour: entries that were acknowledged may be gone. maxmemory-policy must be noeviction.',
  },
  RedisReplicaMissing: {
    value:
      'max(quantile_over_time(0.5, fairslot_redis_replicas[1d])) - min(fairslot_redis_replicas)',
    above: 0,
    for: '2m',
    severity: 'ticket',
    said: 'count',
    summary: 'A primary of Redis has fewer replicas than it had',
    description:
      '{value} replicas are missing that were there for most of the last day: a primary that fails now may have nobody to follow it.',
  },
  RedisReplicaLags: {
    value: 'max(fairslot_redis_replication_lag_seconds) or vector(0)',
    above: 10,
    for: '1m',
    severity: 'ticket',
    said: 'seconds',
    summary: 'A replica of Redis lags behind',
    description: 'It is {value} behind: a failover now would lose what was acknowledged since.',
  },
  RedisSlow: {
    value:
      'histogram_quantile(0.99, sum by (le) (rate(fairslot_redis_script_duration_seconds_bucket[5m])))',
    above: 0.5,
    for: '3m',
    severity: 'ticket',
    isSymptomOfRedis: true,
    said: 'seconds',
    summary: 'Redis answers slowly',
    description: 'One script in a hundred takes {value} or more. The dashboard Redis says which.',
  },
  RedisScriptFaults: {
    value: counted('fairslot_redis_script_errors_total{kind="fault"}', '15m'),
    above: 0,
    for: '0s',
    severity: 'ticket',
    said: 'count',
    summary: 'A script fails in Redis',
    description:
      'About {value} scripts of the last 15 minutes failed for another reason than Redis being away. The log says which and why.',
  },
} as const satisfies Readonly<Record<string, Alert>>;

export const ALERT_GROUPS = {
  people: PEOPLE,
  rounds: ROUNDS,
  processes: PROCESSES,
  sms: SMS,
  redis: REDIS,
} as const;

export const ALERTS = { ...PEOPLE, ...ROUNDS, ...PROCESSES, ...SMS, ...REDIS } as const;
export type AlertName = keyof typeof ALERTS;

/** The part of docs/operations.md: `RedisDown` has its heading "Redis down". */
export const anchorOf = (name: string): string =>
  name.replaceAll(/(?<=.)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();

const IN_WORDS: Readonly<Record<Said, string>> = {
  count: '{{ printf "%.0f" $value }}',
  seconds: '{{ $value | humanizeDuration }}',
  share: '{{ $value | humanizePercentage }}',
};

export function expressionOf({ value, above, below, when }: Alert): string {
  const compared = above === undefined ? `(${value}) < ${below}` : `(${value}) > ${above}`;
  return when === undefined ? compared : `${compared} and on () (${when})`;
}

export const labelsOf = ({ severity, isSymptomOfRedis }: Alert): Record<string, string> => ({
  severity,
  ...(isSymptomOfRedis && { symptom_of: 'redis' }),
});

/** `inWords`: of the value; left out for what Prometheus makes them of. */
export const annotationsOf = (
  name: string,
  { summary, description, said }: Alert,
  inWords = IN_WORDS[said],
): Record<string, string> => ({
  summary,
  description: description.replace('{value}', () => inWords),
  runbook_url: `${RUNBOOK_URL}#${anchorOf(name)}`,
});

/** The rule file of Prometheus. */
export function ruleFile(): string {
  const groups = Object.entries<Readonly<Record<string, Alert>>>(ALERT_GROUPS).map(
    ([group, alerts]) => ({
      name: `fairslot-${group}`,
      interval: '15s',
      rules: Object.entries(alerts).map(([name, alert]) => ({
        alert: name,
        expr: expressionOf(alert),
        for: alert.for,
        labels: labelsOf(alert),
        annotations: annotationsOf(name, alert),
      })),
    }),
  );
  return stringify({ groups }, { lineWidth: 0 });
}
