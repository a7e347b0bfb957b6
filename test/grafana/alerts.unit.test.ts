/** Alert rules: Prometheus takes them, each fires when it should and not otherwise, and says where help is. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import {
  type Alert,
  ALERTS,
  type AlertName,
  anchorOf,
  annotationsOf,
  labelsOf,
} from '../../grafana/source/alerts.ts';
import { GRAFANA } from '../../grafana/source/files.ts';
import { promtool } from '../support/prometheus.ts';
import { ALERT_CASES, type World } from './alert-cases.ts';

const NAMES = Object.keys(ALERTS) as AlertName[];
const at = (file: string): string => join(GRAFANA, file);

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairslot-alerts-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const seriesOf = (world: World) =>
  Object.entries(world).map(([series, values]) => ({ series, values }));

/** What `{{ $labels.kind }}` becomes. */
const filledIn = (text: string, labels: Readonly<Record<string, string>>): string =>
  text.replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? '');

/** As promtool reads them: each world of series is a test of its own. */
function testsOf(name: AlertName) {
  const alert: Alert = ALERTS[name];
  const { bad, good, says, labels = {}, at: when = '10m' } = ALERT_CASES[name];
  const annotations = Object.fromEntries(
    Object.entries(annotationsOf(name, alert, says)).map(([key, text]) => [
      key,
      filledIn(text, labels),
    ]),
  );
  const fires = [{ exp_labels: { ...labelsOf(alert), ...labels }, exp_annotations: annotations }];
  const looked = (world: World, expected: typeof fires) => ({
    interval: '15s',
    name,
    input_series: seriesOf(world),
    alert_rule_test: [{ eval_time: when, alertname: name, exp_alerts: expected }],
  });
  return [looked(bad, fires), ...good.map((world) => looked(world, []))];
}

/**
 * A file of tests for one alert. Its rule is the committed one, alone: promtool evaluates all that
 * it is given, at each of its instants.
 */
function testFileOf(folder: string, name: AlertName): string {
  const { groups } = parse(readFileSync(at('alerts.yml'), 'utf8')) as RuleFile;
  const rule = groups.flatMap(({ rules }) => rules).find(({ alert }) => alert === name);
  const ruleFile = join(folder, `${name}.yml`);
  writeFileSync(ruleFile, stringify({ groups: [{ name, rules: [rule] }] }));
  const file = join(folder, `${name}.test.yml`);
  const tests = testsOf(name);
  writeFileSync(file, stringify({ rule_files: [ruleFile], evaluation_interval: '15s', tests }));
  return file;
}

type RuleFile = { readonly groups: readonly { readonly rules: readonly { alert: string }[] }[] };

describe('the alerts', () => {
  it('and the configuration that names them are taken by Prometheus', () => {
    expect(promtool('check', 'rules', at('alerts.yml'))).toMatchObject({ isGood: true });
    expect(promtool('check', 'config', at('prometheus.yml'))).toMatchObject({ isGood: true });
  });

  it('fire, and say so in words, where they should, and nowhere else', () => {
    const files = NAMES.map((name) => testFileOf(folder, name));
    const { isGood, said } = promtool('test', 'rules', ...files);
    expect(isGood, said).toBe(true);
  });

  it('say the value in words wherever a description has it', () => {
    const silent = NAMES.filter(
      (name) =>
        ALERTS[name].description.includes('{value}') !== (ALERT_CASES[name].says !== undefined),
    );
    expect(silent).toEqual([]);
  });

  it('have a part of docs/operations.md each', () => {
    const page = readFileSync(resolve(GRAFANA, '../docs/operations.md'), 'utf8');
    const anchors = Array.from(page.matchAll(/^#+ (.+)$/gm), ([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\- ]/gu, '')
        .replaceAll(' ', '-'),
    );
    expect(NAMES.map(anchorOf).filter((anchor) => !anchors.includes(anchor))).toEqual([]);
  });
});

describe('Alertmanager', () => {
  type Matchers = readonly string[];
  type Settings = {
    readonly route: { readonly receiver: string; readonly routes: readonly { receiver: string }[] };
    readonly receivers: readonly { readonly name: string; readonly webhook_configs: object[] }[];
    readonly inhibit_rules: readonly { source_matchers: Matchers; target_matchers: Matchers }[];
  };
  const settings = (): Settings => parse(readFileSync(at('alertmanager.yml'), 'utf8'));

  it('knows every receiver that it sends to, and reads where they are from a file', () => {
    const { route, receivers } = settings();
    const known = receivers.map(({ name }) => name);
    const used = [route.receiver, ...route.routes.map(({ receiver }) => receiver)];
    expect(used.filter((name) => !known.includes(name))).toEqual([]);
    for (const { webhook_configs: hooks } of receivers) {
      expect(hooks.length).toBeGreaterThan(0);
      for (const hook of hooks) expect(Object.keys(hook)).toContain('url_file');
    }
  });

  it('holds back only what there is, for what there is', () => {
    const { inhibit_rules: rules } = settings();
    const namesIn = (matchers: Matchers): string[] =>
      matchers.flatMap((matcher) => {
        const [, names] = /^alertname=~?"(.+)"$/.exec(matcher) ?? [];
        return names?.split('|') ?? [];
      });
    const named = rules.flatMap((rule) =>
      namesIn([...rule.source_matchers, ...rule.target_matchers]),
    );
    expect(named.length).toBeGreaterThan(rules.length);
    expect(named.filter((name) => !(name in ALERTS))).toEqual([]);
    const ofRedis = rules.find(({ source_matchers: [one] }) => one?.includes('RedisDown'));
    expect(ofRedis?.target_matchers).toEqual(['symptom_of="redis"']);
    expect(labelsOf(ALERTS.AnswersFail)).toMatchObject({ symptom_of: 'redis' });
    expect(labelsOf(ALERTS.RedisDown)).not.toHaveProperty('symptom_of');
  });
});
