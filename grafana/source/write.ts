/** `npm run dashboards`: writes what Grafana and Prometheus read. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedFiles, GRAFANA } from './files.ts';

const files = generatedFiles();
const dashboards = join(GRAFANA, 'dashboards');
mkdirSync(dashboards, { recursive: true });
for (const name of readdirSync(dashboards)) {
  if (!files.has(join('dashboards', name))) rmSync(join(dashboards, name));
}
for (const [name, text] of files) writeFileSync(join(GRAFANA, name), text);
process.stdout.write(`${files.size} files written to ${GRAFANA}\n`);
