/**
 * Every Redis key of the engine. Form: `fs:v1:{tag}:noun`; the braces hold the Redis Cluster hash
 * tag, and one script touches one tag. Beside each builder: type, fields, lifetime. Fields named
 * *_ms are milliseconds since the epoch by Redis's clock.
 */
const release = (id: string, noun: string): string => `fs:v1:{r:${id}}:${noun}`;
const account = (id: string, noun: string): string => `fs:v1:{m:${id}}:${noun}`;
const outbox = (priority: string, noun: string): string => `fs:v1:{outbox:${priority}}:${noun}`;

/** What every key of the engine matches, for SCAN. */
export const EVERY_KEY = 'fs:v1:*';

/** Matches the hash of every account. */
export const EVERY_ACCOUNT = 'fs:v1:{m:*}:account';
/** The account that a key is of; '' for a key of another kind. */
export const accountIn = (key: string): string => /\{m:([^}]*)\}/.exec(key)?.[1] ?? '';

/** What a key's tag begins with, up to a colon: `r` of a release, `p` of a person, and so on. */
export const tagKindOf = (key: string): string => /\{([^:}]*)/.exec(key)?.[1] ?? '';

export const keys = {
  // --- one release: {r:<release>} ---
  // release, manifest, seats, resized, changes, rounds and transcript:<n> are kept: they are what
  // anyone verifies. All else goes RETENTION_RELEASE_DAYS after the release is over
  // (docs/retention.md), but for draft and lease, which go before.

  /**
   * hash: mode, times and limits of the manifest as numbers, round, phase, published,
   * cut_at_ms; value_at_ms: when the value of the last seal came into being, or its sealed_at where
   * the operator had it; cut_from_ms: when the next round is cut at the soonest, since it tells
   * of offers that have expired; certain_round: up to which rounds take place though nothing is
   * new; spare_rounds that may take place before their time; changing_round: the last that settles
   * an operator's changes; of a series: series, carrying_into (where `carrying` goes); attendance:
   * the last date whose no-shows are marked, or OVER once nothing is left to see to;
   * cleared_at_ms: when what is not kept was deleted; for whoever only counts: capacity (seats of
   * the manifest), free_seats, offered_seats, booked_seats, offered_entries, booked_entries.
   */
  release: (id: string) => release(id, 'release'),
  /** string: the draft settings and imported places, JSON; deleted by publishing. */
  draft: (id: string) => release(id, 'draft'),
  /** string: the published manifest, canonical JSON; never changes. */
  manifest: (id: string) => release(id, 'manifest'),
  /** hash: `<slot index>/<pool index>` -> free seats (neither offered nor booked). */
  seats: (id: string) => release(id, 'seats'),
  /**
   * hash: `<slot index>/<pool index>` -> seats, free or held, that the pool has more than in the
   * manifest: dereserving moves them, operators take them.
   */
  resized: (id: string) => release(id, 'resized'),
  /**
   * hash: what operators changed: slot index -> round that settles its closing; `loss:<id>` ->
   * `<slot index>/<pool index> <seats> <round that settles it>`.
   */
  changes: (id: string) => release(id, 'changes'),
  /** hash: entry id -> packed entry; put since the last seal, may still be edited. */
  entering: (id: string) => release(id, 'entering'),
  /**
   * hash: entry id -> packed entry; sealed in the round being drawn, moved on when it is published.
   */
  sealed: (id: string) => release(id, 'sealed'),
  /** hash: entry id -> packed entry; took part in a published round. */
  entries: (id: string) => release(id, 'entries'),
  /**
   * hash: account, or `d:` and device -> the first characters of the entry ids that it ever entered
   * here, end to end; `n:` and the keyed hash of a network -> people who first came from there.
   */
  accounts: (id: string) => release(id, 'accounts'),
  /**
   * hash: entry id of a group's lead -> the ids that its people would have alone, the lead's first;
   * each other's id -> the lead's. Nothing of who enters alone. Also of a group that only stands.
   */
  members: (id: string) => release(id, 'members'),
  /** hash: entry id -> packed standing entry, to be carried over into a later release. */
  standing: (id: string) => release(id, 'standing'),
  /**
   * hash: the same, on its way into a later release, a batch at most; and each that was withdrawn
   * since any was handed out, with a minus before it, until that is seen to there.
   */
  carrying: (id: string) => release(id, 'carrying'),
  /** set: entry ids that withdrew here, in a release of a series: not to be carried in. */
  withdrawn: (id: string) => release(id, 'withdrawn'),
  /** hash: entry id -> packed booking (offers too); one live booking an entry. */
  bookings: (id: string) => release(id, 'bookings'),
  /** hash: entry id -> seats of its bookings that it was told of by SMS, a few at most. */
  told: (id: string) => release(id, 'told'),
  /** hash: entry id -> "" for offers of one round that are not yet answered. */
  offers: (id: string, round: number) => release(id, `offers:${round}`),
  /**
   * hash: entry id -> packed booking of those whom a round displaces: until the flip the new one, ''
   * for none; then the one they held, until they are told.
   */
  displaced: (id: string, round: number) => release(id, `displaced:${round}`),
  /** hash: `<entry id>.<grant>` -> the round that took this booking. */
  displacements: (id: string) => release(id, 'displacements'),
  /**
   * hash: `<entry id>.<grant>` -> packed visit (lua/lib/visit.lua): who came, and who did not;
   * `<entry id>` -> '' once any of its people was given a dose here, or the grant of its booking
   * once its day is over and marked: nothing else that it is offered can be confirmed.
   */
  visits: (id: string) => release(id, 'visits'),
  /** hash: `<entry id>.<grant>` -> wrong security codes; of bookings that are none, too. */
  arrivalTries: (id: string) => release(id, 'arrival-tries'),
  /** set: `<centre>/<date>` where anybody arrived. */
  attended: (id: string) => release(id, 'attended'),
  /**
   * hash: `<entry id>.<grant>` -> `<missed_at_ms> <persons>`, and the slot of an offer that lapsed: a
   * missed seat yet to be counted.
   */
  missed: (id: string) => release(id, 'missed'),
  /**
   * list: `<word> <entry id>` of what happened since the last seal (withdrawn, cancelled, expired);
   * `closed <slot index>`, `lost <slot index>/<pool index> <seats>`.
   */
  happened: (id: string) => release(id, 'happened'),
  /** list: the same, cut off by the seal of the round being drawn; deleted when it is published. */
  happenedSealed: (id: string) => release(id, 'happened:sealed'),
  /**
   * hash: `seal:<n>`, `record:<n>` canonical JSON, the record without `since`; `digest:<n>`,
   * `published_at_ms:<n>`, `value_at_ms:<n>`; settling: the round being drawn, while it settles what an operator changed.
   */
  rounds: (id: string) => release(id, 'rounds'),
  /**
   * hash: chunk number -> 1,024 times entry id and leaf (16 and 32 bytes), in the order of the
   * leaves of one round's tree; roots: by chunk, its first entry id and its root.
   */
  tree: (id: string, round: number) => release(id, `tree:${round}`),
  /**
   * hash: prefix_length of the result files of one round, in bits; file number -> 16 bytes of entry
   * id and 4 of pool number for each offer of the round in it, ascending. Files without offers are
   * left out; who waits stands in the tree. digest: of the round, written last.
   */
  results: (id: string, round: number) => release(id, `results:${round}`),
  /** hash: entry id -> the round that it was last new in; those of round 0 are left out. */
  newIn: (id: string) => release(id, 'new-in'),
  /** hash: chunk number -> bytes of the gzipped transcript of one round. */
  transcript: (id: string, round: number) => release(id, `transcript:${round}`),
  /** hash: error code -> requests that it was answered to (src/gates/bots). */
  refusals: (id: string) => release(id, 'refusals'),
  /** zset: account, device or keyed hash of a network by its requests refused; the top of them. */
  offenders: (id: string, kind: string) => release(id, `offenders:${kind}`),
  /** string: id of the worker that leads this release; expires with its lease. */
  lease: (id: string) => release(id, 'lease'),
  /**
   * stream: every change of state, for audit: `e` -> `<word> <entry id or release> [more]`, or an
   * entry id alone, which was entered.
   */
  audit: (id: string) => release(id, 'audit'),

  // --- one person: {p:<person>}; kept while anything is known of them ---

  /**
   * hash: account, id_type, born_in (a year), registered_at_ms; c: their claim, once they made one
   * (lua/lib/claim.lua); whether or not registered: categories, ascending, separated by commas;
   * doses and misses, a line each; cooling_ends_at_ms: until when they may not claim.
   */
  person: (id: string) => `fs:v1:{p:${id}}:person`,

  // --- one account: {m:<account>} ---

  /**
   * hash: mobile (encrypted), created_at_ms, signed_in_at_ms, language of its SMS once chosen,
   * epoch from which on its access tokens stand, once raised; until it is erased or was not used
   * for RETENTION_ACCOUNT_DAYS, its epoch as long as a token lives after that.
   */
  account: (id: string) => account(id, 'account'),
  /** hash: person -> encrypted JSON of name, gender and the like; kept. */
  beneficiaries: (id: string) => account(id, 'beneficiaries'),
  /** set: requests that list a person and may yet bind them; 10 s from the last. */
  adding: (id: string, person: string) => account(id, `adding:${person}`),
  /**
   * zset: keyed hash of a device that signed in, or of a network without one -> when last, in ms;
   * lifetime in OTP_TERMS.
   */
  familiar: (id: string) => account(id, 'familiar'),
  /**
   * hash: digest, mobile (encrypted), language, requester, network, stranger, wrong: an OTP that is
   * out; lifetime in OTP_TERMS.
   */
  otp: (id: string, txnId: string) => account(id, `otp:${txnId}`),
  /** string: there while a requester must wait before asking again. */
  otpGap: (id: string, requester: string) => account(id, `otp-gap:${requester}`),
  /** hash: requester -> OTPs sent and not used; strangers: of them all; an hour from the first. */
  otpUnused: (id: string) => account(id, 'otp-unused'),
  /** hash: requester -> wrong OTPs lately; survives asking anew; ten minutes from the first. */
  otpWrong: (id: string) => account(id, 'otp-wrong'),
  /** string: keyed hash of the text of the image captcha that the account was shown last; 5 min. */
  imageCaptcha: (id: string) => account(id, 'image-captcha'),
  /** list: encrypted SMS texts, newest first; development driver only; an hour. */
  inbox: (id: string) => account(id, 'inbox'),
  /** string: request fingerprint and encrypted reply for one Idempotency-Key; a day. */
  idempotency: (owner: string, key: string) => account(owner, `idempotency:${key}`),
  /** string: Idempotency-Keys that it has used; a day from the first. */
  attempts: (owner: string) => account(owner, 'attempts'),

  // --- the outbox: {outbox:<priority>}; each SMS until it is sent, worth nothing, or dropped ---

  /** hash: id -> packed SMS (lua/lib/sms.lua), its text and mobile encrypted. */
  sms: (priority: string) => outbox(priority, 'sms'),
  /** zset: id of an SMS that waits by when it is due to be tried, in ms; its lease while it is. */
  smsDue: (priority: string) => outbox(priority, 'due'),
  /** zset: id of an SMS that waits by when it was queued, in ms. */
  smsQueued: (priority: string) => outbox(priority, 'queued'),
  /** zset: id of a dead letter by when it died, in ms; 7 days. */
  smsDead: (priority: string) => outbox(priority, 'dead'),
  /** string: there while a second SMS of this id is not sent; lifetime of the SMS, at least 1 h. */
  smsOnce: (priority: string, id: string) => outbox(priority, `once:${id}`),
  // --- at the door, one hour: {h:<hours since the epoch>}; 30 days ---

  /** hash: as `refusals`, of requests that name no release. */
  doorRefusals: (hour: number) => `fs:v1:{h:${hour}}:refusals`,
  /** zset: as `offenders`, likewise. */
  doorOffenders: (hour: number, kind: string) => `fs:v1:{h:${hour}}:offenders:${kind}`,

  // --- one device: {d:<device>} ---

  /** set: accounts that ever signed in on it; as long as a device token lives. */
  deviceAccounts: (id: string) => `fs:v1:{d:${id}}:accounts`,

  // --- the rest: a tag each ---

  /** hash: wrong, right: security codes of an operator key on a day; two days. */
  keyTries: (key: string, day: string) => `fs:v1:{v:${key}}:tries:${day}`,
  /** zset: security codes that it is trying by when they count no more, in ms; two days. */
  keyTrying: (key: string, day: string) => `fs:v1:{v:${key}}:trying:${day}`,
  /** zset: `<person>|<dose>|<vaccine>` of a next dose by when to tell of it, in ms; until then. */
  dosesDue: () => 'fs:v1:{doses}:due',

  /** string: which request used a captcha's ticket; longer than the ticket lives. */
  captcha: (nonce: string) => `fs:v1:{c:${nonce}}:used`,

  /** string: account that an OTP transaction belongs to; expires with the OTP. */
  otpTransaction: (txnId: string) => `fs:v1:{t:${txnId}}:account`,
  /** string: which FAIRSLOT_SECRET made these data, by a keyed hash (markOf); kept. */
  secretMark: () => 'fs:v1:{secret}:mark',
  /** hash: name of an operator key -> JSON of hash, scopes, centres, createdAtMs; until revoked. */
  operatorKeys: () => 'fs:v1:{operators}:keys',
  /** string: worker that checks all releases; expires with its lease. */
  reconcileLease: () => 'fs:v1:{reconcile}:lease',
  /** hash: finished_at_ms, duration_ms, counts (JSON, by kind): the last check of all releases. */
  reconcileLast: () => 'fs:v1:{reconcile}:last',
  /** stream: what operators did (src/gates/audit.ts); the latest 100,000 lines. */
  operatorAudit: () => 'fs:v1:{operators}:audit',
  /** stream: what centres did, likewise; the latest 1,000,000 lines. */
  centreAudit: () => 'fs:v1:{operators}:audit-of-centres',
  /** string: the worker that deletes what is over; after that, there until the next day. */
  retention: () => 'fs:v1:{retention}:turn',
  /** set: ids of drafts, to count them; until they are published. */
  drafts: () => 'fs:v1:{releases}:drafts',
  /** zset: release id by opens_at_ms; kept. */
  releases: () => 'fs:v1:{releases}:index',
  /** zset: release id by opens_at_ms; of one series, those where somebody stands or may yet. */
  series: (series: string) => `fs:v1:{s:${series}}:releases`,
  /** string: OTPs sent in a minute or an hour, to new or known requesters; as long as that. */
  smsSpent: (requester: string, window: string) => `fs:v1:{sms}:spent:${requester}:${window}`,
  /** string: OTPs sent for a network or a device in an hour and not used; as long as that. */
  smsUnused: (by: 'network' | 'device', id: string) => `fs:v1:{sms}:unused:${by}:${id}`,
  /** prefix of a limit's counters: string `<prefix>:<caller>`, lifetime = the limit's window. */
  limitPrefix: (limit: string) => `fs:v1:{limit:${limit}}`,
} as const;
