/**
 * The only reader of the environment. Every setting has its default, unit and meaning here; README
 * lists them.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { OriginsText } from './http/cors.ts';
import { type Networks, NetworksText } from './http/networks.ts';
import { present } from './lib/assert.ts';
import { parseJson } from './lib/json.ts';
import { compileGateway, type GatewaySettings, isInClear } from './notify/gateway-request.ts';
import { isTimeZone } from './notify/texts.ts';
import {
  countedBy,
  LIMIT_NAMES,
  limitSetting,
  type LimitTable,
  limitTable,
  tableOfOne,
} from './gates/limit-table.ts';
import type { TokenSecrets } from './gates/signed-tokens.ts';
import { SITEVERIFY_URLS } from './gates/captcha/siteverify.ts';
import { hasOtherScheme } from './redis/address.ts';
import type { RedisAddress } from './redis/client.ts';
import { isSentinelUrl, readSentinelUrl } from './redis/sentinel.ts';
import type { DrandChain } from './rounds/beacon/beacon.ts';
import { DrandChainText } from './rounds/beacon/drand-chain.ts';

const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const count = (fallback: number) => z.coerce.number().int().positive().default(fallback);

const list = z
  .string()
  .default('')
  .transform((text) => (text === '' ? [] : text.split(',').map((part) => part.trim())));
const days = z.coerce.number().int().min(0).max(36_500);
const tries = z.coerce.number().int().min(1).max(1_000_000);
const endpoint = z.union([z.literal(''), z.url({ protocol: /^https?$/ })]);

/** Addresses with commas between them; none has a slash at its end. */
const endpoints = z.string().transform((text, context): string[] => {
  const found = text.split(',').map((part) => part.trim().replace(/\/+$/, ''));
  for (const one of found) {
    const url = URL.parse(one);
    const usable = /^https?:$/.test(url?.protocol ?? '') && !/[?#@]/.test(one);
    if (!usable) context.addIssue({ code: 'custom', message: `${one} is no address of HTTP` });
  }
  return found;
});

/** Newest first, with commas. */
const secretList = z
  .string()
  .transform((text) => (text === '' ? undefined : text.split(',').map((secret) => secret.trim())))
  .pipe(z.tuple([z.string().min(32)], z.string().min(32)).optional());

/** As REDIS_URL: a Redis of our own is meant, and an address was not forgotten. */
const EMBEDDED = 'embedded';
const REDIS_SCHEMES = 'not redis[s]://…, redis[s]+sentinel://… or a path of a unix socket';
const SENTINEL_FORM = 'not redis+sentinel://host:port,host:port/name';

const Environment = z.object({
  NODE_ENV: z.enum(['development', 'test', 'production']).default('development'),
  /** Address to listen on. */
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  /**
   * Servers of this machine, which share what each counts for itself; `npm start` runs so many.
   * Empty or 0: one a core, of a server that was started alone itself.
   */
  SERVERS: z.coerce.number().int().min(0).max(1_024).default(0),
  /** Workers that `npm start` runs. */
  WORKERS: z.coerce.number().int().min(0).max(1_024).default(1),
  /**
   * Proxies whose X-Forwarded-For is believed: addresses, CIDR networks, `loopback`, `private`, with
   * commas. Empty: none.
   */
  TRUSTED_PROXIES: NetworksText.prefault(''),
  /** Origins of front ends on other hosts, with commas. Empty: none. */
  CORS_ORIGINS: OriginsText.prefault(''),
  /** Open connections of one client address on this machine, other than a trusted proxy's. */
  CONNECTIONS_PER_ADDRESS: count(2_000),
  /**
   * Redis to use: redis[s]://…, redis[s]+sentinel://host:port,host:port/name, a socket's path, or
   * cluster nodes with commas. `embedded`, or empty but in production: an embedded one.
   */
  REDIS_URL: z
    .string()
    .default('')
    .refine((url) => !hasOtherScheme(url), REDIS_SCHEMES)
    .refine((url) => !isSentinelUrl(url) || readSentinelUrl(url), SENTINEL_FORM),
  REDIS_CLUSTER: flag.default(false),
  /** Replicas that must have a write before it is acknowledged; with fewer it is refused. */
  REDIS_REPLICAS: z.coerce.number().int().min(0).max(16).default(0),
  /** Longest wait for them, in ms: below the second after which a Redis counts as stalled. */
  REDIS_REPLICAS_WITHIN_MS: z.coerce.number().int().min(10).max(900).default(500),
  /** Directory of the embedded Redis and of generated development secrets. */
  FAIRSLOT_DATA_DIR: z.string().default('.fairslot'),
  /**
   * At least 32 characters; every key is derived from it. Required in production, generated
   * otherwise.
   */
  FAIRSLOT_SECRET: z.string().min(32).optional(),
  /**
   * What the keys that sign receipts are derived from, at least 32 characters each, separated by
   * commas. New releases name the key of the first; one that is in use must stay. Empty:
   * FAIRSLOT_SECRET.
   */
  RECEIPT_SECRETS: secretList.optional(),
  /**
   * What the keys that sign access tokens are derived from, likewise. The first signs; tokens of
   * the others stay good until they expire. Empty: FAIRSLOT_SECRET.
   */
  ACCESS_TOKEN_SECRETS: secretList.optional(),
  /** What the keys that sign device tokens are derived from, likewise. */
  DEVICE_TOKEN_SECRETS: secretList.optional(),
  /**
   * At least 32 characters; what operators send as bearer key. Required in production, generated
   * otherwise.
   */
  FAIRSLOT_OPERATOR_KEY: z.string().min(32).optional(),
  /**
   * console: SMS go to the log without their text in production; inbox: GET /v1/dev/inbox
   * (development only); http: SMS_HTTP_URL takes them.
   */
  SMS_DRIVER: z.enum(['console', 'inbox', 'http']).default('console'),
  /**
   * IANA name of the zone of all centres: their days begin and end in it, and SMS show deadlines in
   * it. A manifest has none.
   */
  TIME_ZONE: z.string().refine(isTimeZone, 'no time zone').default('UTC'),
  /** SMS in hand at once, of a worker and each priority. */
  SMS_CONCURRENCY: z.coerce.number().int().min(1).max(256).default(32),
  /** Where the gateway takes SMS; https in production. May have placeholders, as the body. */
  SMS_HTTP_URL: z.string().optional(),
  SMS_HTTP_URL_FILE: z.string().optional(),
  SMS_HTTP_METHOD: z.enum(['GET', 'POST', 'PUT']).default('POST'),
  /** JSON object of header names and values; the content type says how the body is escaped. */
  SMS_HTTP_HEADERS: z.string().optional(),
  SMS_HTTP_HEADERS_FILE: z.string().optional(),
  /** With {mobile} or {mobile_digits}, {text} and {id}; escaped as JSON or as a form. */
  SMS_HTTP_BODY: z.string().optional(),
  SMS_HTTP_BODY_FILE: z.string().optional(),
  /** For one attempt, in ms; well inside the 30 s after which a sender counts as dead. */
  SMS_HTTP_TIMEOUT_MS: z.coerce.number().int().min(100).max(10_000).default(5_000),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']).default('info'),
  /** Of the requests of a server, one in so many has a line; 0: none. */
  LOG_REQUESTS_ONE_IN: z.coerce.number().int().min(0).max(1_000_000).default(0),
  /** HTTP endpoints of drand, in no order: they are asked in turn. Their answers are verified. */
  DRAND_URLS: endpoints.prefault(
    'https://api.drand.sh,https://api2.drand.sh,https://api3.drand.sh,https://drand.cloudflare.com',
  ),
  /** For one answer of one endpoint, in ms; at most so long that a sweep ends within a lead. */
  DRAND_TIMEOUT_MS: z.coerce.number().int().min(50).max(4_000).default(2_000),
  /** JSON of `/{chain}/info`: the network that new releases name. Empty: quicknet. */
  DRAND_CHAIN: DrandChainText.prefault(''),
  /**
   * Where `npm start`, or a server or worker that was started alone, serves /metrics and /livez on
   * HOST, to whoever asks; 0: nowhere.
   */
  METRICS_PORT: z.coerce.number().int().min(0).max(65_535).default(9463),
  /**
   * What is solved before an OTP, an entry, a booking at once and a device token. none: nothing;
   * never in production. Empty: altcha, or none where NODE_ENV is test.
   */
  CAPTCHA_DRIVER: z.enum(['', 'altcha', 'hcaptcha', 'turnstile', 'none']).default(''),
  /** Of hCaptcha or Turnstile. */
  CAPTCHA_SITE_KEY: z.string().default(''),
  CAPTCHA_SECRET: z.string().default(''),
  /** Where the front end runs: a captcha that was solved on another page does not count. */
  CAPTCHA_HOSTNAMES: list,
  /** Of siteverify. Empty: the provider's own. */
  CAPTCHA_URL: endpoint.prefault(''),
  /** For one answer of the provider, in ms; it is asked twice at most. */
  CAPTCHA_TIMEOUT_MS: z.coerce.number().int().min(50).max(4_000).default(2_000),
  /** ALTCHA: keys that need be tried at most, by who rarely asks and by who is at the limit. */
  CAPTCHA_TRIES: tries.prefault(400),
  CAPTCHA_TRIES_MOST: tries.prefault(8_000),
  /** Empty: required, unless CAPTCHA_DRIVER is none. */
  DEVICE_TOKENS: z.enum(['', 'required', 'optional']).default(''),
  /** Accounts that may ever sign in on one device: those of a family, or of a village's helper. */
  ACCOUNTS_PER_DEVICE: count(20),
  /** Whether the CoWIN v2 surface is served under /api. */
  COWIN_SURFACE: flag.prefault('true'),
  /**
   * OTPs by SMS that may be sent a minute and an hour: to whoever signs in from where that mobile
   * has never signed in, and apart from them to whoever comes back.
   */
  SMS_BUDGET_NEW_PER_MINUTE: count(1_200),
  SMS_BUDGET_NEW_PER_HOUR: count(20_000),
  SMS_BUDGET_KNOWN_PER_MINUTE: count(1_200),
  SMS_BUDGET_KNOWN_PER_HOUR: count(20_000),
  /** Likewise to strangers of the CoWIN surface, which asks for no captcha before an OTP. */
  SMS_BUDGET_COWIN_PER_MINUTE: count(300),
  SMS_BUDGET_COWIN_PER_HOUR: count(5_000),
  /** OTPs an hour that one network (/24, /48) may have sent without one of them being used. */
  SMS_BUDGET_UNUSED_PER_NETWORK: count(1_000),
  /** Likewise of one device: one that is handed round a village uses its OTPs. */
  SMS_BUDGET_UNUSED_PER_DEVICE: count(30),
  /** Seconds between two checks of all releases, by one of the workers; 0: none. */
  RECONCILE_EVERY_S: z.coerce.number().int().min(0).max(604_800).default(3_600),
  /**
   * Days after a release is over until all goes that nobody needs to verify it; 0: it is kept. Days
   * without signing in after which an account goes that holds nothing; 0: it is kept.
   */
  RETENTION_RELEASE_DAYS: days.prefault(365),
  RETENTION_ACCOUNT_DAYS: days.prefault(400),
});

/** `LIMIT_<LIMIT>_PER_<BY>`: the numbers of the limit table, each with its default there. */
const LimitSettings = z.object(
  Object.fromEntries(
    LIMIT_NAMES.flatMap((limit) =>
      countedBy(limit).map(([by, most]) => [limitSetting(limit, by), count(most)]),
    ),
  ),
);

/** All names that mean something. */
export const SETTING_NAMES: readonly string[] = [
  ...Object.keys(Environment.shape),
  ...Object.keys(LimitSettings.shape),
];

export type Config = {
  readonly environment: 'development' | 'test' | 'production';
  readonly host: string;
  readonly port: number;
  /** 0: as many as there are cores. */
  readonly servers: number;
  readonly workers: number;
  readonly trustedProxies: Networks;
  readonly corsOrigins: readonly string[];
  /** Of this server. */
  readonly connectionsPerAddress: number;
  readonly redis: RedisAddress | undefined;
  readonly dataDir: string;
  readonly secret: string;
  /** Newest first. */
  readonly receiptSecrets: readonly [string, ...string[]];
  readonly accessTokenSecrets: TokenSecrets;
  readonly deviceTokenSecrets: TokenSecrets;
  readonly operatorKey: string;
  readonly smsDriver: 'console' | 'inbox' | 'http';
  /** IANA name. */
  readonly timeZone: string;
  readonly sms: {
    readonly concurrency: number;
    /** Of the driver http. */
    readonly gateway: GatewaySettings | undefined;
  };
  readonly logLevel: string;
  /** 0: none. */
  readonly logRequestsOneIn: number;
  readonly drand: {
    readonly endpoints: readonly string[];
    readonly timeoutMs: number;
    /** Of releases that are published from now on. */
    readonly chain: DrandChain;
  };
  readonly captcha: CaptchaSettings;
  readonly devices: {
    readonly required: boolean;
    /** That may ever sign in on one. */
    readonly accounts: number;
  };
  readonly cowinSurface: boolean;
  /** 0: none. */
  readonly metricsPort: number;
  /** 0: never. */
  readonly reconcileEveryMs: number;
  /** SMS. */
  readonly smsBudget: {
    readonly new: { readonly perMinute: number; readonly perHour: number };
    readonly known: { readonly perMinute: number; readonly perHour: number };
    readonly cowin: { readonly perMinute: number; readonly perHour: number };
    readonly unusedPerNetwork: number;
    readonly unusedPerDevice: number;
  };
  /** Days; 0: kept. */
  readonly retention: { readonly releaseDays: number; readonly accountDays: number };
  readonly limits: LimitTable;
};

export type CaptchaSettings = {
  readonly driver: 'altcha' | 'hcaptcha' | 'turnstile' | 'none';
  /** Present where the driver is one. */
  readonly provider:
    | {
        readonly url: string;
        readonly siteKey: string;
        readonly secret: string;
        readonly hostnames: readonly string[];
        readonly timeoutMs: number;
      }
    | undefined;
  /** Of a proof of work: the most keys to try, at first and at the limit. */
  readonly tries: number;
  readonly triesMost: number;
};

/** Raised for settings that cannot work; its message lists all of them. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export type SecretName = 'FAIRSLOT_SECRET' | 'FAIRSLOT_OPERATOR_KEY';
/** What stands for a secret that is not set, if anything may. */
export type UnsetSecret = (name: SecretName, set: SecretPlace) => string | undefined;
export type SecretPlace = {
  readonly NODE_ENV: Config['environment'];
  readonly FAIRSLOT_DATA_DIR: string;
};

export function readConfig(
  environment: NodeJS.ProcessEnv = process.env,
  unset?: UnsetSecret,
): Config {
  const parsed = Environment.safeParse(environment);
  const limits = LimitSettings.safeParse(environment);
  const problems = [parsed, limits].flatMap(({ error }) => (error ? z.prettifyError(error) : []));
  if (!parsed.success || !limits.success) throw new ConfigError(problems.join('\n'));
  const set = parsed.data;
  const production = set.NODE_ENV === 'production';
  if (production && set.SMS_DRIVER === 'inbox')
    throw new ConfigError('SMS_DRIVER=inbox is for development only');
  const captcha = captchaSettings(set, production);
  const sharing = Math.max(1, set.SERVERS);
  const [secret, operatorKey] = secretsOf(set, ['FAIRSLOT_SECRET', 'FAIRSLOT_OPERATOR_KEY'], unset);
  return {
    environment: set.NODE_ENV,
    host: set.HOST,
    port: set.PORT,
    servers: set.SERVERS,
    workers: set.WORKERS,
    trustedProxies: set.TRUSTED_PROXIES,
    corsOrigins: set.CORS_ORIGINS,
    // Connections are dealt to a machine's servers in turn.
    connectionsPerAddress: Math.ceil(set.CONNECTIONS_PER_ADDRESS / sharing),
    redis: redisAddress(set),
    dataDir: set.FAIRSLOT_DATA_DIR,
    secret,
    receiptSecrets: set.RECEIPT_SECRETS ?? [secret],
    accessTokenSecrets: set.ACCESS_TOKEN_SECRETS ?? [secret],
    deviceTokenSecrets: set.DEVICE_TOKEN_SECRETS ?? [secret],
    operatorKey,
    smsDriver: set.SMS_DRIVER,
    timeZone: set.TIME_ZONE,
    sms: {
      concurrency: set.SMS_CONCURRENCY,
      gateway: set.SMS_DRIVER === 'http' ? readGateway(set, environment) : undefined,
    },
    logLevel: set.LOG_LEVEL,
    logRequestsOneIn: set.LOG_REQUESTS_ONE_IN,
    drand: {
      endpoints: set.DRAND_URLS,
      timeoutMs: set.DRAND_TIMEOUT_MS,
      chain: set.DRAND_CHAIN,
    },
    captcha,
    cowinSurface: set.COWIN_SURFACE,
    devices: {
      required: (set.DEVICE_TOKENS || (captcha.driver === 'none' ? '' : 'required')) === 'required',
      accounts: set.ACCOUNTS_PER_DEVICE,
    },
    metricsPort: set.METRICS_PORT,
    reconcileEveryMs: set.RECONCILE_EVERY_S * 1000,
    smsBudget: smsBudget(set),
    retention: {
      releaseDays: set.RETENTION_RELEASE_DAYS,
      accountDays: set.RETENTION_ACCOUNT_DAYS,
    },
    limits: tableOfOne(
      limitTable((setting) => present(limits.data[setting], setting)),
      sharing,
    ),
  };
}

const OperatorSettings = Environment.pick({
  NODE_ENV: true,
  FAIRSLOT_DATA_DIR: true,
  FAIRSLOT_OPERATOR_KEY: true,
});

/** All that who calls the API needs to be set. */
export function readOperatorKey(environment: NodeJS.ProcessEnv, unset: UnsetSecret): string {
  const parsed = OperatorSettings.safeParse(environment);
  if (!parsed.success) throw new ConfigError(z.prettifyError(parsed.error));
  return secretsOf(parsed.data, ['FAIRSLOT_OPERATOR_KEY'], unset)[0];
}

type SecretsSet = SecretPlace & Partial<Record<SecretName, string | undefined>>;

/** In the order of the names. */
function secretsOf<const Names extends readonly SecretName[]>(
  set: SecretsSet,
  names: Names,
  unset?: UnsetSecret,
) {
  const secrets = names.map((name) => set[name] ?? unset?.(name, set));
  const missing = names.filter((_name, at) => secrets[at] === undefined);
  if (missing.length > 0) throw new ConfigError(`${missing.join(' and ')} must be set`);
  return secrets as { [At in keyof Names]: string };
}

function redisAddress(set: z.output<typeof Environment>): RedisAddress | undefined {
  const { REDIS_URL: url, REDIS_CLUSTER: cluster, REDIS_REPLICAS: replicas } = set;
  if (url === '' && set.NODE_ENV === 'production')
    throw new ConfigError(
      'production needs REDIS_URL: the address of a Redis, or `embedded` for the one that npm start ' +
        'has in FAIRSLOT_DATA_DIR',
    );
  if (url === '' || url === EMBEDDED) {
    if (replicas > 0)
      throw new ConfigError('REDIS_REPLICAS needs REDIS_URL: what is embedded has none');
    return undefined;
  }
  return { url, cluster, replicas, replicasWithinMs: set.REDIS_REPLICAS_WITHIN_MS };
}

const smsBudget = (set: z.output<typeof Environment>): Config['smsBudget'] => ({
  new: { perMinute: set.SMS_BUDGET_NEW_PER_MINUTE, perHour: set.SMS_BUDGET_NEW_PER_HOUR },
  known: { perMinute: set.SMS_BUDGET_KNOWN_PER_MINUTE, perHour: set.SMS_BUDGET_KNOWN_PER_HOUR },
  cowin: { perMinute: set.SMS_BUDGET_COWIN_PER_MINUTE, perHour: set.SMS_BUDGET_COWIN_PER_HOUR },
  unusedPerNetwork: set.SMS_BUDGET_UNUSED_PER_NETWORK,
  unusedPerDevice: set.SMS_BUDGET_UNUSED_PER_DEVICE,
});

const GATEWAY_BODY = '{"to":"{mobile}","text":"{text}","id":"{id}"}';

/** The gateway's settings, of which all that may be secret can stand in files. */
function readGateway(
  set: z.output<typeof Environment>,
  environment: NodeJS.ProcessEnv,
): GatewaySettings {
  const url = fromFile('SMS_HTTP_URL', set.SMS_HTTP_URL, set.SMS_HTTP_URL_FILE);
  if (!url) throw new ConfigError('SMS_DRIVER=http needs SMS_HTTP_URL or SMS_HTTP_URL_FILE');
  const headers = fromFile('SMS_HTTP_HEADERS', set.SMS_HTTP_HEADERS, set.SMS_HTTP_HEADERS_FILE);
  const parsed = z.record(z.string(), z.string()).safeParse(parseJson(headers ?? '{}'));
  if (!parsed.success)
    throw new ConfigError('SMS_HTTP_HEADERS is no JSON object of names and values');
  const body = fromFile('SMS_HTTP_BODY', set.SMS_HTTP_BODY, set.SMS_HTTP_BODY_FILE);
  const settings = {
    url,
    method: set.SMS_HTTP_METHOD,
    headers: parsed.data,
    body: body ?? GATEWAY_BODY,
    timeoutMs: set.SMS_HTTP_TIMEOUT_MS,
  };
  const compiled = compileGateway(settings);
  if ('problem' in compiled) throw new ConfigError(compiled.problem);
  if (set.NODE_ENV === 'production' && isInClear(url))
    throw new ConfigError('SMS_HTTP_URL must begin with https:// in production');
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0')
    throw new ConfigError(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 would hand SMS to anyone: name your CA in NODE_EXTRA_CA_CERTS',
    );
  return settings;
}

/** A setting's value, or what is in the file that stands for it, without its last line break. */
function fromFile(name: string, value?: string, file?: string): string | undefined {
  if (file === undefined) return value;
  if (value !== undefined) throw new ConfigError(`both ${name} and ${name}_FILE are set`);
  try {
    return readFileSync(file, 'utf8').trimEnd();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new ConfigError(`${name}_FILE cannot be read: ${code}`, { cause: error });
  }
}

function captchaSettings(set: z.output<typeof Environment>, production: boolean): CaptchaSettings {
  const driver = set.CAPTCHA_DRIVER || (set.NODE_ENV === 'test' ? 'none' : 'altcha');
  if (production && driver === 'none')
    throw new ConfigError('CAPTCHA_DRIVER=none is for development only');
  const { CAPTCHA_TRIES: tries, CAPTCHA_TRIES_MOST: triesMost } = set;
  if (triesMost < tries) throw new ConfigError('CAPTCHA_TRIES_MOST is below CAPTCHA_TRIES');
  if (driver === 'none' || driver === 'altcha')
    return { driver, provider: undefined, tries, triesMost };
  const provider = {
    url: set.CAPTCHA_URL || SITEVERIFY_URLS[driver],
    siteKey: set.CAPTCHA_SITE_KEY,
    secret: set.CAPTCHA_SECRET,
    hostnames: set.CAPTCHA_HOSTNAMES,
    timeoutMs: set.CAPTCHA_TIMEOUT_MS,
  };
  if (!provider.siteKey || !provider.secret || provider.hostnames.length === 0)
    throw new ConfigError(
      `CAPTCHA_DRIVER=${driver} needs CAPTCHA_SITE_KEY, CAPTCHA_SECRET and CAPTCHA_HOSTNAMES`,
    );
  return { driver, provider, tries, triesMost };
}
